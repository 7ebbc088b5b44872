import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { attemptMachine } from '../../../machines/attempt/attempt.machine.js'
import type { AttemptEvent, AttemptInput } from '../../../machines/attempt/attempt.types.js'
import { FakeActors, run } from '../../support/machines/live.js'
import { attemptInput, endpoints, policy, punchRecord, record, relayRecord, responderInput, target } from '../../support/machines/samples.js'

const { offerGraceMs } = policy.attempt
const { graceMs } = policy.relay

/** An attempt whose strategies do what the test says. */
function start(input: AttemptInput) {
  const fakes = new FakeActors()
  const machine = attemptMachine.provide({
    actors: fakes.provide({ promises: ['resolvePeer'], callbacks: ['exchange', 'answer', 'openChannel', 'direct', 'reverse', 'punch', 'relay'] }),
    actions: { endChannels: () => {} },
  })
  const running = run(machine, input)
  const send = (event: AttemptEvent) => running.actor.send(event)
  return {
    ...running, fakes, send,
    secured: (id: string) => send({ type: 'channel.secured', channelId: `channel of ${id}`, candidate: record(id, 'secured') }),
    exhausted: (strategy: 'direct' | 'relay') => send({ type: 'strategy.exhausted', strategy }),
    /** The channels that were opened, in order. */
    opened: () => fakes.of('openChannel').map(({ input: given }) => (given as { channelId: string }).channelId),
    told: (strategy: string) => fakes.last(strategy).received.map(({ type }: AnyEventObject) => type),
  }
}

const initiator = (fields: Partial<AttemptInput> = {}) => {
  const attempt = start(attemptInput({ strategies: ['direct', 'relay'], target: target(), ...fields }))
  attempt.clock.increment(offerGraceMs)
  return attempt
}

describe('a channel by relay', () => {
  it('is opened at once when nothing else is tried', () => {
    const { secured, opened } = initiator({ strategies: ['relay'] })
    secured('relay-1')
    expect(opened()).toEqual(['channel of relay-1'])
  })

  it('waits for a better one until the grace since the start of the attempt is over', () => {
    const { secured, opened, clock } = initiator()
    secured('relay-1')
    clock.increment(graceMs - offerGraceMs - 1)
    expect(opened()).toEqual([])
    clock.increment(1)
    expect(opened()).toEqual(['channel of relay-1'])
  })

  it('waits no longer when the other strategies have come to nothing', () => {
    const { secured, opened, exhausted } = initiator()
    secured('relay-1')
    exhausted('direct')
    expect(opened()).toEqual(['channel of relay-1'])
  })

  it('gives way to a better one that is ready in time, and is opened when that leads nowhere', () => {
    const { secured, opened, fakes, clock } = initiator()
    secured('relay-1')
    secured('direct-1')
    expect(opened()).toEqual(['channel of direct-1'])
    clock.increment(graceMs)
    fakes.last('openChannel').tell({ type: 'open.lost', failure: { code: 'ERR_CHANNEL_LOST', message: 'broke' } })
    expect(opened()).toEqual(['channel of direct-1', 'channel of relay-1'])
  })

  it('is opened at once after the grace', () => {
    const { secured, opened, clock } = initiator()
    clock.increment(graceMs)
    secured('relay-1')
    expect(opened()).toEqual(['channel of relay-1'])
  })

  it('is not reason to end the attempt while it waits', () => {
    const { secured, exhausted, actor, opened } = initiator()
    secured('relay-1')
    exhausted('relay')
    expect(actor.getSnapshot().status).toBe('active')
    exhausted('direct')
    expect(opened()).toEqual(['channel of relay-1'])
  })
})

describe('an offer', () => {
  it('waits for the relay where nothing else is tried, and states it', () => {
    const { fakes, send } = initiator({ strategies: ['relay'] })
    expect(fakes.of('exchange')).toEqual([])
    send({ type: 'relay.gathered', records: [relayRecord(1)] })
    expect(fakes.last('exchange').input).toMatchObject({ strategies: ['relay'], relay: [relayRecord(1)] })
  })

  it('waits no longer than for the ports of a punch', () => {
    const { fakes, clock } = initiator({ strategies: ['relay'] })
    clock.increment(policy.punch.gatherMs)
    expect(fakes.last('exchange').input).toMatchObject({ relay: [] })
  })

  it('waits for no relay beside other strategies; its record follows as an update, with what is known of the punch', () => {
    const { fakes, send } = initiator({ strategies: ['direct', 'punch', 'relay'] })
    send({ type: 'punch.gathered', round: 0, records: [punchRecord(3)] })
    expect(fakes.last('exchange').input).toMatchObject({ relay: [] })
    send({ type: 'relay.gathered', records: [relayRecord(1)] })
    send({ type: 'punch.gathered', round: 1, records: [punchRecord(4)] })
    send({ type: 'relay.gathered', records: [] })
    expect(fakes.last('exchange').received).toEqual([
      { type: 'update', round: 0, records: [punchRecord(3)], relay: [relayRecord(1)] },
      { type: 'update', round: 1, records: [punchRecord(4)], relay: [relayRecord(1)] },
      { type: 'update', round: 1, records: [punchRecord(4)], relay: [] },
    ])
  })

  it('is followed by no update that tells nothing', () => {
    const { fakes, send } = initiator()
    send({ type: 'relay.gathered', records: [] })
    expect(fakes.last('exchange').received).toEqual([])
  })

  it('begins the round of a sequence in which only the relay is left', () => {
    const { fakes, send, exhausted } = initiator({ mode: 'sequence' })
    exhausted('direct')
    expect(fakes.of('exchange')).toHaveLength(1)
    send({ type: 'relay.gathered', records: [relayRecord(1)] })
    expect(fakes.of('exchange')).toHaveLength(2)
    expect(fakes.last('exchange').input).toMatchObject({ strategies: ['relay'], relay: [relayRecord(1)] })
  })
})

describe('a responder', () => {
  const responder = (relayed: boolean, strategies: AttemptInput['strategies'] = ['direct', 'relay']) =>
    start(responderInput({ strategies, target: target({ ...endpoints(1), relay: relayed ? [relayRecord(1)] : [] }, []) }))

  it('answers without waiting for a relay beside other strategies, and says later where it is', () => {
    const { fakes, send } = responder(false)
    expect(fakes.last('answer').input).toMatchObject({ strategies: ['direct', 'relay'], relay: [] })
    send({ type: 'relay.gathered', records: [relayRecord(2)] })
    expect(fakes.last('answer').received).toEqual([{ type: 'update', round: 0, records: [], relay: [relayRecord(2)] }])
  })

  it('says that it takes no part in a relay when neither side has one', () => {
    const { fakes, send } = responder(false, ['relay'])
    send({ type: 'relay.gathered', records: [] })
    expect(fakes.last('answer').input).toMatchObject({ strategies: [], relay: [] })
  })

  it('takes part in the initiator’s', () => {
    const { fakes, send } = responder(true, ['relay'])
    send({ type: 'relay.gathered', records: [] })
    expect(fakes.last('answer').input).toMatchObject({ strategies: ['relay'] })
  })
})

describe('what the peer says', () => {
  it('goes on to the relay: the answer with what the peer takes part in, and its updates', () => {
    const { fakes, send } = initiator()
    send({ type: 'exchange.answered', endpoints: endpoints(2), roundTripMs: 50, strategies: ['direct'] })
    send({ type: 'peer.updated', round: 0, punch: [], relay: [relayRecord(3)] })
    expect(fakes.last('relay').received).toEqual([
      { type: 'peer.answered', endpoints: endpoints(2), roundTripMs: 50, strategies: ['direct'] },
      { type: 'peer.updated', round: 0, punch: [], relay: [relayRecord(3)] },
    ])
  })

  it('does not start the relay before the offer is made', () => {
    const { fakes } = start(attemptInput({ strategies: ['direct', 'relay'], target: target() }))
    expect(fakes.of('relay')).toEqual([])
  })
})
