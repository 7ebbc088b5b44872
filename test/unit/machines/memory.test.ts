import { describe, expect, it } from 'vitest'
import { createActor, toPromise } from 'xstate'
import { attemptMachine } from '../../../machines/attempt/attempt.machine.js'
import type { AttemptInput } from '../../../machines/attempt/attempt.types.js'
import { createPunchActors } from '../../../machines/punch/punch.actors.js'
import type { Aim } from '../../../machines/punch/punch.types.js'
import type { ProvenPath } from '../../../src/nat/path-memory.js'
import { systemClock } from '../../../src/net/clock.js'
import type { InterfaceRecord, NatSummary } from '../../../src/protocol/interface-record.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { attemptInput, policy, record, site, target } from '../../support/machines/samples.js'

const punched: ProvenPath = { strategy: 'punch', method: 'birthday', family: 4 }
const reversed: ProvenPath = { strategy: 'reverse', family: 4 }

describe('an attempt at a peer whose last pipe is remembered', () => {
  function start(input: Partial<AttemptInput>) {
    const fakes = new FakeActors()
    const machine = attemptMachine.provide({
      actors: fakes.provide({ promises: ['resolvePeer'], callbacks: ['exchange', 'answer', 'openChannel', 'direct', 'reverse', 'punch'] }),
      actions: { endChannels: () => {} },
    })
    const running = run(machine, attemptInput(input))
    return { ...running, fakes, offers: () => fakes.of('exchange').length }
  }

  it('offers in the turn it begins, and dials all the same', () => {
    const { fakes, offers } = start({ target: { ...target(), remembered: reversed } })
    expect(offers()).toBe(1)
    expect(fakes.of('direct')).toHaveLength(1)
  })

  it('offers as soon as its punch has ports', () => {
    const { actor, offers } = start({ strategies: ['direct', 'punch'], target: { ...target(), remembered: punched } })
    expect(offers()).toBe(0)
    actor.send({ type: 'punch.gathered', round: 0, records: [] })
    expect(offers()).toBe(1)
  })

  it('offers at once too when a look-up tells who it is', async () => {
    const { fakes, offers } = start({})
    fakes.last('resolvePeer').resolve({ ok: true, target: { ...target(), remembered: reversed } })
    await settled()
    expect(offers()).toBe(1)
  })

  it('gives near paths their time where that way is not wanted now', () => {
    const { clock, offers } = start({ strategies: ['direct', 'reverse'], target: { ...target(), remembered: punched } })
    expect(offers()).toBe(0)
    clock.increment(policy.attempt.offerGraceMs)
    expect(offers()).toBe(1)
  })

  it('asks nobody where there is no broker', () => {
    const { actor, offers } = start({ target: { ...target(undefined, []), remembered: reversed } })
    actor.send({ type: 'candidate.changed', candidate: record('direct-1', 'dialling') })
    expect(offers()).toBe(0)
  })
})

describe('taking aim at a peer whose last pipe is remembered', () => {
  const hidden: NatSummary = { mapping: 'endpoint-independent', filtering: 'unknown', allocation: 'random', delta: 0 }
  const random: NatSummary = { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'random', delta: 0 }
  const peer: readonly InterfaceRecord[] = [{ family: 4, external: { host: '203.0.113.1', port: 7 }, nat: hidden }]

  const aim = (planned: readonly string[] = []): Promise<Aim> => {
    const { takeAim } = createPunchActors({
      clock: systemClock(), own: () => [{ interfaceName: 'eth0', family: 4, address: '10.0.0.9', cidr: '10.0.0.9/24' }], isKnown: () => true, birthday: 'auto', hold: () => ({ gather: () => [], release: () => {} }), awaitsTurn: () => false, isRefused: () => false,
      proven: (peerId, records) => (peerId === 'peer' && records === peer ? punched : undefined),
    })
    const actor = createActor(takeAim, { input: { role: 'initiator', peerId: 'peer', attemptId: '2', sites: [site(1, random)], peer, isSameMachine: false, beside: ['punch'], round: 0, planned } })
    actor.start()
    return toPromise(actor)
  }
  const methods = ({ volleys }: Aim) => volleys.map(({ volley: { method, delayMs } }) => [method, delayMs])

  it('begins with what worked', async () => {
    expect(methods(await aim())).toEqual([['birthday', 0]])
  })

  it('tries everything else when that has led nowhere', async () => {
    const { keys } = await aim()
    expect(methods(await aim(keys)).map(([method]) => method)).toContain('listen')
  })
})
