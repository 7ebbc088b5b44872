import { describe, expect, it } from 'vitest'
import { createActor, toPromise, type AnyEventObject } from 'xstate'
import { createPunchActors, type PunchResources } from '../../../machines/punch/punch.actors.js'
import type { Aim, AimInput, PortsRequest } from '../../../machines/punch/punch.types.js'
import { defaults } from '../../../src/config/defaults.js'
import { systemClock } from '../../../src/net/clock.js'
import type { PunchSite } from '../../../src/nat/punch/volley.js'
import { runActor, settled } from '../../support/machines/live.js'
import { counting, punchRecord, site } from '../../support/machines/samples.js'

const { maxVolleys, strangerVolleys, volleyMs } = defaults.punch

const resources = (fields: Partial<PunchResources> = {}): PunchResources => ({
  clock: systemClock(), own: () => [{ interfaceName: 'eth0', family: 4, address: '10.0.0.9', cidr: '10.0.0.9/24' }], isKnown: () => true, birthday: 'auto', proven: () => undefined, awaitsTurn: () => false, isRefused: () => false,
  hold: () => ({ gather: () => [], release: () => {} }), ...fields,
})

describe('the ports of a punch', () => {
  /** A hold whose gatherings the test ends. */
  function start(atHand?: readonly PunchSite[]) {
    const gatherings: { isSampling: boolean; signal: AbortSignal; end(sites: readonly PunchSite[]): void }[] = []
    const released: boolean[] = []
    const { ports } = createPunchActors(resources({
      hold: () => ({
        gather: (isSampling, signal) => atHand ?? new Promise(resolve => gatherings.push({ isSampling, signal, end: resolve })),
        release: wasUsed => void released.push(wasUsed),
      }),
    }))
    const { told, send, stop } = runActor(ports, { peerId: 'peer', sessionKey: 'k' })
    const ask = (round: number) => send({ type: 'ports.gather', round, isSampling: round > 0 } satisfies PortsRequest)
    return { told, send, stop, ask, gatherings, released }
  }

  it('are told in the same turn when they are at hand', () => {
    const { ask, told } = start([site(1)])
    ask(0)
    expect(told).toEqual([{ type: 'sites.gathered', round: 0, sites: [site(1)] }])
  })

  it('are told when they are there, with the round they were gathered for', async () => {
    const { ask, gatherings, told } = start()
    ask(1)
    expect(gatherings.map(({ isSampling }) => isSampling)).toEqual([true])
    gatherings[0]?.end([site(1)])
    await settled()
    expect(told).toEqual([{ type: 'sites.gathered', round: 1, sites: [site(1)] }])
  })

  it('of an earlier round are not told after those of a later one', async () => {
    const { ask, gatherings, told } = start()
    ask(0)
    ask(1)
    gatherings[1]?.end([site(2)])
    await settled()
    gatherings[0]?.end([site(1)])
    await settled()
    expect(told.map(({ round }: AnyEventObject) => round as number)).toEqual([1])
  })

  it('are released unused when no volley left, and nothing is told after that', async () => {
    const { stop, ask, gatherings, released, told } = start()
    ask(0)
    stop()
    expect(released).toEqual([false])
    expect(gatherings[0]?.signal.aborted).toBe(true)
    gatherings[0]?.end([site(1)])
    await settled()
    expect(told).toEqual([])
  })

  it('are released as used when a volley left', () => {
    const { send, stop, released } = start([])
    send({ type: 'ports.used' })
    stop()
    expect(released).toEqual([true])
  })
})

describe('taking aim', () => {
  const input = (fields: Partial<AimInput> = {}): AimInput => ({
    role: 'initiator', peerId: 'peer', attemptId: '2', sites: [site(1)], peer: [punchRecord(7)], isSameMachine: false, beside: ['punch'], round: 0, planned: [], ...fields,
  })
  const global = { family: 4, local: { host: '203.0.113.9', port: 9 }, external: { host: '203.0.113.9', port: 9 } } as const
  it.each([
    ['waits for plain dials where one side has a global address', ['direct', 'reverse', 'punch'], [global], defaults.attempt.offerHoldMs],
    ['waits for nobody where it is alone', ['punch'], [global], 0],
    ['waits for nobody between two NATs', ['direct', 'reverse', 'punch'], [{ family: 4, external: { host: '192.0.2.1', port: 7 } }], 0],
    ['waits for nobody where a filter lets no dial in', ['direct', 'punch'], [{ ...global, nat: { mapping: 'none', filtering: 'address-and-port-dependent', allocation: 'none', delta: 0 } }], 0],
  ] as const)('%s', async (_what, beside, peer, delayMs) => {
    const { volleys } = await aim({ beside, peer })
    expect(volleys.map(({ volley }) => volley.delayMs)).toEqual([delayMs])
  })

  const aim = (fields: Partial<AimInput> = {}, parts: Partial<PunchResources> = {}): Promise<Aim> => {
    const actor = createActor(createPunchActors(resources(parts)).takeAim, { input: input(fields) })
    actor.start()
    return toPromise(actor)
  }
  const remotes = ({ volleys }: Aim) => volleys.map(({ candidate: { remote } }) => remote)
  const external = (...ports: number[]) => ports.map(port => ({ family: 4 as const, external: { host: '203.0.113.1', port }, nat: punchRecord(port).nat! }))

  it('needs no turn of its own', () => {
    const actor = createActor(createPunchActors(resources()).takeAim, { input: input() })
    expect(actor.getSnapshot()).toMatchObject({ status: 'done' })
  })

  it('makes each volley a candidate that ends with it', async () => {
    const nowMs = 1_000
    const { volleys } = await aim({ peer: external(7) }, { clock: { ...systemClock(), now: () => nowMs } })
    expect(volleys).toMatchObject([{
      candidate: { id: 'punch-1', strategy: 'punch', method: 'mapping', scope: 'external', family: 4, local: '10.0.0.9:1', remote: '203.0.113.1:7', bind: '10.0.0.9', deadlineAtMs: nowMs + volleyMs },
      volley: { remoteHost: '203.0.113.1', remotePorts: [7] },
    }])
  })

  it('fires each volley once, however often the peer states it', async () => {
    const first = await aim({ peer: external(7) })
    const second = await aim({ peer: external(7, 8), planned: first.keys })
    expect([remotes(first), remotes(second)]).toEqual([['203.0.113.1:7'], ['203.0.113.1:8']])
  })

  it('fires at a foretold port anew in each round', async () => {
    const peer = [{ ...external(7)[0]!, nat: counting }]
    const first = await aim({ peer, round: 1 })
    expect(first.volleys).toMatchObject([{ candidate: { method: 'predicted' } }])
    expect((await aim({ peer, round: 1, planned: first.keys })).volleys).toEqual([])
    expect((await aim({ peer, round: 2, planned: first.keys })).volleys).toHaveLength(1)
  })

  const drawing = [{ ...external(7)[0]!, nat: { ...counting, allocation: 'random' as const } }]

  it('fires at random ports anew in each round', async () => {
    const first = await aim({ peer: drawing })
    expect(first.volleys).toMatchObject([{ candidate: { method: 'birthday' }, volley: { bursts: [255, 256] } }])
    expect((await aim({ peer: drawing, planned: first.keys })).volleys).toEqual([])
    expect((await aim({ peer: drawing, round: 1, planned: first.keys })).volleys).toMatchObject([{ volley: { bursts: [511] } }])
    expect((await aim({ peer: drawing, round: 1, planned: first.keys }, { isRefused: () => true })).volleys).toMatchObject([{ volley: { bursts: [1_023] } }])
  })

  it('fires no second birthday punch of an attempt whose first one waits for others', async () => {
    const asked: string[] = []
    const parts = { awaitsTurn: (attemptId: string) => asked.push(attemptId) > 0 }
    expect(remotes(await aim({ peer: [...drawing, ...external(8)], round: 1 }, parts))).toEqual(['203.0.113.1:8'])
    expect(asked).toEqual(['2'])
  })

  it('tells once what the safety rules leave out', async () => {
    const peer = [{ family: 4 as const, external: { host: '127.0.0.1', port: 7 } }]
    const first = await aim({ peer })
    expect(first).toMatchObject({ volleys: [], skipped: [{ id: 'punch-1', status: 'skipped', remote: '127.0.0.1:7', error: { code: 'ERR_DIAL_FORBIDDEN' } }] })
    expect((await aim({ peer, planned: first.keys })).skipped).toEqual([])
  })

  it('never gives two candidates the same id, skipped ones included', async () => {
    const forbidden = { family: 4 as const, external: { host: '127.0.0.1', port: 7 } }
    const first = await aim({ peer: [forbidden, ...external(7)] })
    const second = await aim({ peer: [...external(8), { ...forbidden, external: { host: '127.0.0.2', port: 7 } }], planned: first.keys })
    const ids = [first, second].flatMap(({ volleys, skipped }) => [...volleys.map(({ candidate }) => candidate.id), ...skipped.map(({ id }) => id)])
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toHaveLength(4)
  })

  it.each([
    ['as initiator', 'initiator', false, maxVolleys], ['for a peer that is known', 'responder', true, maxVolleys], ['for a stranger', 'responder', false, strangerVolleys],
  ] as const)('spends its limit once for all rounds %s', async (_who, role, isKnown, limit) => {
    const parts = { isKnown: () => isKnown }
    const first = await aim({ role, peer: external(1) }, parts)
    const second = await aim({ role, peer: external(...Array.from({ length: 2 * maxVolleys }, (_, index) => index + 1)), planned: first.keys }, parts)
    expect(first.volleys.length + second.volleys.length).toBe(limit)
  })
})
