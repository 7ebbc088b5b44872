import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { relayMachine } from '../../../machines/relay/relay.machine.js'
import type { PlanWaysInput, Ways } from '../../../machines/relay/relay.types.js'
import type { StrategyInput } from '../../../machines/shared/strategy.types.js'
import type { Failure } from '../../../src/errors/index.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { candidate, endpoints, failure, ownRelay, peerId, policy, reach, record, relayRecord } from '../../support/machines/samples.js'

const { allocateMs, patienceMs, updateMs, timeoutMs } = policy.relay
const none: Failure = { code: 'ERR_RELAY_NONE', message: 'none' }

function start(fields: Partial<StrategyInput> = {}) {
  const fakes = new FakeActors()
  const machine = relayMachine.provide({ actors: fakes.provide({ promises: ['planWays'], callbacks: ['relays', 'candidate'] }) })
  const input: StrategyInput = {
    strategy: 'relay', role: 'initiator', peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: endpoints(1), beside: ['relay'], awaitsAnswer: true, policy, ...fields,
  }
  const running = run(machine, input)
  const send = (event: AnyEventObject) => running.actor.send(event)
  const plan = async (ways: Readonly<Record<string, 'await' | 'dial' | 'connect'>> = {}) => {
    const keys = Object.keys(ways)
    fakes.last('planWays').resolve({
      candidates: Object.entries(ways).map(([id, way]) => ({ candidate: candidate(id), relay: reach(way), key: id })), skipped: [], keys,
    } satisfies Ways)
    await settled()
  }
  return {
    ...running, fakes, send, plan,
    asked: () => fakes.last('relays').received,
    plans: () => fakes.of('planWays').map(({ input: given }) => given as PlanWaysInput),
    started: () => fakes.of('candidate').map(({ input: given }) => given as { candidate: { id: string }; relay: unknown }),
    allocated: (number = 1) => fakes.last('relays').tell({ type: 'relay.allocated', relay: ownRelay(number) }),
    unavailable: () => fakes.last('relays').tell({ type: 'relay.unavailable', failure: none }),
    answered: (...ports: number[]) => send({ type: 'peer.answered', endpoints: { ...endpoints(2), relay: ports.map(relayRecord) }, roundTripMs: 50 }),
    updated: (...ports: number[]) => send({ type: 'peer.updated', round: 0, punch: [], relay: ports.map(relayRecord) }),
    fail: (id: string) => send({ type: 'candidate.failed', candidate: record(id, 'failed', { error: failure }) }),
    told: (type: string) => running.told.filter(event => event.type === type),
    isOver: () => running.actor.getSnapshot().status === 'done',
  }
}

const responder = (...ports: number[]) => start({ role: 'responder', awaitsAnswer: false, endpoints: { ...endpoints(1), relay: ports.map(relayRecord) } })

describe('a relay of our own', () => {
  it('is asked for at once by the initiator, with what the address says of the peer, and told', () => {
    const { asked, allocated, told } = start()
    expect(asked()).toEqual([{ type: 'relay.allocate', peer: endpoints(1) }])
    allocated()
    expect(told('relay.gathered')).toEqual([{ type: 'relay.gathered', records: [relayRecord(1)] }])
  })

  it('lets the peer in from where it says it comes, in its answer and in each update', () => {
    const { asked, allocated, answered, updated } = start()
    allocated()
    answered()
    updated()
    expect(asked().slice(1)).toEqual([
      { type: 'relay.permit', peer: endpoints(1) },
      { type: 'relay.permit', peer: { ...endpoints(2), relay: [] } },
      { type: 'relay.permit', peer: { ...endpoints(2), relay: [] } },
    ])
  })

  it('is planned with once the answer is there', async () => {
    const { allocated, answered, plans, plan, started } = start()
    allocated()
    expect(plans()).toEqual([])
    answered()
    expect(plans()).toMatchObject([{ own: [ownRelay(1)], failed: [], planned: [] }])
    await plan({ 'relay-1': 'await' })
    expect(started()).toMatchObject([{ candidate: candidate('relay-1'), relay: reach('await') }])
  })

  it('that comes after the answer is planned with as well', async () => {
    const { allocated, answered, plans, plan } = start()
    answered()
    await plan()
    allocated()
    expect(plans()).toMatchObject([{ own: [] }, { own: [ownRelay(1)] }])
  })

  it('is told to be none when no server answers in time', () => {
    const { clock, told } = start()
    clock.increment(allocateMs)
    expect(told('relay.gathered')).toEqual([{ type: 'relay.gathered', records: [], failure: { code: 'ERR_RELAY_TIMEOUT', message: 'no TURN server answered in time' } }])
  })

  it('that is lost is told', () => {
    const { allocated, fakes, told } = start()
    allocated()
    fakes.last('relays').tell({ type: 'relay.lost', allocationId: 'allocation-1', failure })
    expect(told('relay.gathered').at(-1)).toEqual({ type: 'relay.gathered', records: [], failure })
  })

  it('is held until the strategy ends', () => {
    const { allocated, send, fakes } = start()
    allocated()
    send({ type: 'signalling.ended' })
    expect(fakes.last('relays').isStopped).toBe(true)
  })
})

describe('without a relay of our own', () => {
  it('waits for that of the peer, for as long as an update takes', async () => {
    const { unavailable, answered, plan, clock, isOver } = start()
    unavailable()
    answered()
    await plan()
    clock.increment(updateMs - 1)
    expect(isOver()).toBe(false)
    clock.increment(1)
    expect(isOver()).toBe(true)
  })

  it('plans with what an update of the peer brings', async () => {
    const { unavailable, answered, updated, plan, plans } = start()
    unavailable()
    answered()
    await plan()
    updated(5)
    expect(plans().at(-1)).toMatchObject({ peer: { relay: [relayRecord(5)] } })
  })

  it('is exhausted at once when the peer takes no part', async () => {
    const { unavailable, send, plan, isOver } = start()
    unavailable()
    send({ type: 'peer.answered', endpoints: endpoints(2), roundTripMs: 50, strategies: ['direct'] })
    await plan()
    expect(isOver()).toBe(true)
  })

  it('is exhausted when the dial of the peer’s has failed', async () => {
    const { unavailable, answered, plan, fail, isOver } = start()
    unavailable()
    answered(5)
    await plan({ 'relay-1': 'dial' })
    fail('relay-1')
    expect(isOver()).toBe(true)
  })

  it('is exhausted when signalling falls silent before the answer', () => {
    const { unavailable, send, isOver } = start()
    unavailable()
    send({ type: 'signalling.ended' })
    expect(isOver()).toBe(true)
  })
})

describe('a responder that is told a relay', () => {
  it('dials it and asks for none of its own, and says so', async () => {
    const { asked, plan, started, told } = responder(5)
    expect(told('relay.gathered')).toEqual([{ type: 'relay.gathered', records: [] }])
    await plan({ 'relay-1': 'dial' })
    expect(started()).toHaveLength(1)
    expect(asked()).toEqual([])
  })

  it('asks for one when the dial has failed, and connects from it', async () => {
    const { asked, plan, plans, fail, allocated, isOver } = responder(5)
    await plan({ 'relay-1': 'dial' })
    fail('relay-1')
    expect(asked()).toEqual([{ type: 'relay.allocate', peer: { ...endpoints(1), relay: [relayRecord(5)] } }])
    expect(isOver()).toBe(false)
    allocated()
    expect(plans().at(-1)).toMatchObject({ own: [ownRelay(1)], failed: ['relay-1'], planned: ['relay-1'] })
  })

  it('asks for one when the dial takes long', async () => {
    const { asked, plan, clock } = responder(5)
    await plan({ 'relay-1': 'dial' })
    clock.increment(patienceMs - 1)
    expect(asked()).toEqual([])
    clock.increment(1)
    expect(asked()).toHaveLength(1)
  })

  it('is exhausted when there is none to be had either', async () => {
    const { plan, fail, unavailable, isOver } = responder(5)
    await plan({ 'relay-1': 'dial' })
    fail('relay-1')
    unavailable()
    expect(isOver()).toBe(true)
  })
})

describe('a responder that is told none', () => {
  it('asks for one at once', () => {
    expect(responder().asked()).toEqual([{ type: 'relay.allocate', peer: endpoints(1) }])
  })

  it('dials what an update brings', async () => {
    const { unavailable, updated, plans } = responder()
    unavailable()
    updated(5)
    expect(plans()).toMatchObject([{ peer: { relay: [relayRecord(5)] } }])
  })
})

describe('the whole', () => {
  it('ends when time is over, whatever is under way', async () => {
    const { allocated, answered, plan, clock, told } = start()
    allocated()
    answered()
    await plan({ 'relay-1': 'await' })
    clock.increment(timeoutMs)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('tries our relay where the dial failed while it was there already', async () => {
    const { allocated, answered, plan, plans, fail } = start()
    allocated()
    answered(5)
    await plan({ 'relay-1': 'await', 'relay-2': 'dial' })
    fail('relay-2')
    expect(plans().at(-1)).toMatchObject({ failed: ['relay-2'] })
    await plan({ 'relay-3': 'connect' })
  })
})
