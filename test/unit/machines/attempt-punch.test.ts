import { describe, expect, it } from 'vitest'
import { fromCallback, type AnyEventObject } from 'xstate'
import { attemptMachine } from '../../../machines/attempt/attempt.machine.js'
import type { AttemptEvent, AttemptInput } from '../../../machines/attempt/attempt.types.js'
import { punchMachine } from '../../../machines/punch/punch.machine.js'
import type { PortsLogic, PunchEvent } from '../../../machines/punch/punch.types.js'
import type { PunchSite } from '../../../src/nat/punch/volley.js'
import { promptAim } from '../../support/machines/aim.js'
import { FakeActors, run } from '../../support/machines/live.js'
import { attemptInput, endpoints, policy, punchRecord, responderInput, site, target } from '../../support/machines/samples.js'

const { offerGraceMs } = policy.attempt
const { gatherMs } = policy.punch

/** An attempt with its real punch, whose first ports are at hand or come when the test tells them. */
function start(input: AttemptInput, atHand?: readonly PunchSite[]) {
  const fakes = new FakeActors()
  let tellSites: (sites: readonly PunchSite[]) => void = () => {}
  const ports: PortsLogic = fromCallback(({ receive, sendBack }) => {
    tellSites = sites => sendBack({ type: 'sites.gathered', round: 0, sites } satisfies PunchEvent)
    receive(({ type }) => {
      if (type === 'ports.gather' && atHand !== undefined) tellSites(atHand)
    })
  })
  // it answers at once, as the real one does
  const answer = fromCallback<AnyEventObject>(({ sendBack }) => sendBack({ type: 'answer.sent', alignMs: 40 } satisfies AttemptEvent))
  const punch = punchMachine.provide({ actors: { ...fakes.provide({ callbacks: ['candidate'] }), ports, takeAim: promptAim() } })
  const machine = attemptMachine.provide({
    actors: { ...fakes.provide({ promises: ['resolvePeer'], callbacks: ['exchange', 'openChannel', 'direct', 'reverse'] }), answer: answer as never, punch },
    actions: { endChannels: () => {} },
  })
  const running = run(machine, input)
  return { ...running, fakes, tellSites: (...sites: PunchSite[]) => tellSites(sites), send: (event: AttemptEvent) => running.actor.send(event) }
}

const initiator = (...atHand: PunchSite[]) => start(attemptInput({ strategies: ['punch'], target: target() }), atHand.length > 0 ? atHand : undefined)
const responder = (...atHand: PunchSite[]) =>
  start(responderInput({ strategies: ['punch'], target: target({ ...endpoints(1), punch: [punchRecord(7)] }, []) }), atHand.length > 0 ? atHand : undefined)

const answered = { type: 'exchange.answered', endpoints: { ...endpoints(1), punch: [punchRecord(7)] }, roundTripMs: 50 } as const

describe('an attempt and its punch', () => {
  it('offers in the turn in which its grace is over when the ports are at hand', () => {
    const { clock, fakes } = initiator(site(1))
    clock.increment(offerGraceMs)
    expect(fakes.last('exchange').input).toMatchObject({ punch: [site(1).record] })
  })

  it('fires in the turn in which the answer comes', () => {
    const { clock, fakes, send } = initiator(site(1))
    clock.increment(offerGraceMs)
    send(answered)
    expect(fakes.of('candidate')).toHaveLength(1)
  })

  it('answers at once when the ports are at hand, and fires when the answer is there', () => {
    const { clock, fakes } = responder(site(1))
    clock.increment(39)
    expect(fakes.of('candidate')).toEqual([])
    clock.increment(1)
    expect(fakes.of('candidate')).toHaveLength(1)
  })

  it('offers without ports that come late, and tells them when they come, once', () => {
    const { clock, fakes, tellSites } = initiator()
    clock.increment(offerGraceMs)
    clock.increment(gatherMs)
    expect(fakes.last('exchange')).toMatchObject({ input: { punch: [] }, received: [] })
    tellSites(site(1))
    expect(fakes.last('exchange').received).toEqual([{ type: 'update', round: 0, records: [site(1).record], relay: [] }])
  })

  it('answers without ports that come late, and fires when they come', () => {
    const { clock, fakes, tellSites } = responder()
    clock.increment(gatherMs)
    clock.increment(500)
    tellSites(site(1))
    clock.increment(40)
    expect(fakes.of('candidate')).toHaveLength(1)
  })
})
