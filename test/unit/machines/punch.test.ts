import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { punchMachine } from '../../../machines/punch/punch.machine.js'
import type { AimInput, PunchContext } from '../../../machines/punch/punch.types.js'
import type { StrategyInput } from '../../../machines/shared/strategy.types.js'
import type { PunchSite } from '../../../src/nat/punch/volley.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import { promptAim } from '../../support/machines/aim.js'
import { FakeActors, pass, run } from '../../support/machines/live.js'
import { candidate, counting, endpoints, failure, peerId, policy, punchRecord, record, site, volley } from '../../support/machines/samples.js'

const { birthdayRoundMs, gatherMs, updateMs, sampleMs, lateMs, roundMs, rounds, timeoutMs } = policy.punch
const { ackTimeoutMs, answerTimeoutMs } = policy.attempt
const roundTripMs = 100
/** From a commit to its moment. */
const leadMs = roundTripMs + sampleMs

function start(fields: Partial<StrategyInput> = {}) {
  const fakes = new FakeActors()
  const aims: AimInput[] = []
  const machine = punchMachine.provide({ actors: { ...fakes.provide({ callbacks: ['ports', 'candidate'] }), takeAim: promptAim(input => void aims.push(input)) } })
  const input: StrategyInput = {
    strategy: 'punch', role: 'initiator', peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: undefined, beside: ['punch'], awaitsAnswer: true, policy, ...fields,
  }
  const running = run(machine, input)
  const send = (event: AnyEventObject) => running.actor.send(event)
  const context = (): PunchContext => running.actor.getSnapshot().context
  const candidates = () => fakes.of('candidate').map(({ input: given }) => given as { candidate: { id: string }; volley: { remotePorts: readonly number[] } })
  return {
    ...running, fakes, aims, send, context, candidates,
    gathered: (round: number, ...sites: PunchSite[]) => fakes.last('ports').tell({ type: 'sites.gathered', round, sites }),
    answered: (...punch: InterfaceRecord[]) => send({ type: 'peer.answered', endpoints: { ...endpoints(1), punch }, roundTripMs }),
    answerSent: (alignMs: number) => send({ type: 'answer.sent', alignMs }),
    updated: (round: number, ...punch: InterfaceRecord[]) => send({ type: 'peer.updated', round, punch, relay: [] }),
    committed: (round: number, inMs: number) => send({ type: 'peer.committed', round, inMs }),
    fail: (id: string) => send({ type: 'candidate.failed', candidate: record(id, 'failed', { error: failure }) }),
    asked: () => fakes.last('ports').received,
    /** The ports shot at, in order. */
    shotAt: () => candidates().map(({ volley: { remotePorts } }) => remotePorts[0]),
    told: (type: string) => running.told.filter(event => event.type === type),
    isOver: () => running.actor.getSnapshot().status === 'done',
  }
}

/** Knows the peer's records from its offer. */
const responder = (...punch: InterfaceRecord[]) => start({ role: 'responder', awaitsAnswer: false, endpoints: { ...endpoints(1), punch } })

/** An initiator with its ports, and the answer it got. */
function initiator(mine: PunchSite, ...theirs: InterfaceRecord[]) {
  const punch = start()
  punch.gathered(0, mine)
  punch.answered(...theirs)
  return punch
}

const gather = (round: number) => ({ type: 'ports.gather', round, isSampling: round > 0 })
const used = { type: 'ports.used' }

describe('punching as initiator', () => {
  it('asks for what is warm, and tells its parent where it can be hit', () => {
    const { asked, gathered, told } = start()
    expect(asked()).toEqual([gather(0)])
    gathered(0, site(1), site(2))
    expect(told('punch.gathered')).toEqual([{ type: 'punch.gathered', round: 0, records: [site(1).record, site(2).record] }])
  })

  it('fires in the turn in which the answer comes, at what the answer says', () => {
    const { candidates, told } = initiator(site(1), punchRecord(7))
    expect(candidates()).toEqual([{
      candidate: candidate('punch-1'), volley: volley(7), peerId, role: 'initiator', sessionKey: 'k', sessionId: '1', attemptId: '2', policy,
    }])
    expect(told('punch.committed')).toEqual([])
  })

  it('gives the aim what both sides stated, and what the answer proved of the machine', () => {
    const { gathered, send, aims } = start()
    gathered(0, site(1))
    send({ type: 'peer.answered', endpoints: { ...endpoints(1), punch: [punchRecord(7)], isSameMachine: true }, roundTripMs })
    expect(aims).toEqual([{ role: 'initiator', peerId, attemptId: '2', sites: [site(1)], peer: [punchRecord(7)], isSameMachine: true, beside: ['punch'], round: 0, planned: [] }])
  })

  it('tells no records when its ports do not come in time, so that the offer can leave', () => {
    const { clock, told } = start()
    clock.increment(gatherMs - 1)
    expect(told('punch.gathered')).toEqual([])
    clock.increment(1)
    expect(told('punch.gathered')).toEqual([{ type: 'punch.gathered', round: 0, records: [] }])
  })

  it.each(['before', 'after'])('states ports that come late, %s the answer, and fires from them', when => {
    const { clock, gathered, answered, told, shotAt } = start()
    clock.increment(gatherMs)
    if (when === 'after') answered(punchRecord(7))
    expect(shotAt()).toEqual([])
    gathered(0, site(1))
    if (when === 'before') answered(punchRecord(7))
    expect(told('punch.gathered').at(-1)).toEqual({ type: 'punch.gathered', round: 0, records: [site(1).record] })
    expect(shotAt()).toEqual([7])
  })

  it('is exhausted when signalling falls silent before the answer', () => {
    const { gathered, send, isOver } = start()
    gathered(0, site(1))
    send({ type: 'signalling.ended' })
    expect(isOver()).toBe(true)
  })

  it('goes on when signalling falls silent after the answer', () => {
    const { send, isOver } = initiator(site(1), punchRecord(7))
    send({ type: 'signalling.ended' })
    expect(isOver()).toBe(false)
  })

  it('waits for an answer as long as its attempt does', () => {
    const { gathered, clock, isOver } = start()
    gathered(0, site(1))
    clock.increment(ackTimeoutMs + answerTimeoutMs - 1)
    expect(isOver()).toBe(false)
    clock.increment(1)
    expect(isOver()).toBe(true)
  })

  it('waits for an update when the answer states nothing, and no longer than an update takes', () => {
    const { clock, isOver } = initiator(site(1))
    clock.increment(updateMs - 1)
    expect(isOver()).toBe(false)
    clock.increment(1)
    expect(isOver()).toBe(true)
  })

  it('fires at the update of a peer whose answer stated nothing', () => {
    const { updated, shotAt } = initiator(site(1))
    updated(0, punchRecord(7))
    expect(shotAt()).toEqual([7])
  })

  it('begins the next round when one led nowhere, as often as the policy says', () => {
    const { clock, told, asked } = initiator(site(1), punchRecord(7))
    for (let round = 1; round <= rounds; round++) {
      clock.increment(roundMs - 1)
      expect(told('punch.committed')).toHaveLength(round - 1)
      clock.increment(1)
      expect(told('punch.committed').at(-1)).toEqual({ type: 'punch.committed', round, inMs: leadMs })
      expect(asked().at(-1)).toEqual(gather(round))
      clock.increment(leadMs + lateMs)
    }
    clock.increment(roundMs)
    expect(told('punch.committed')).toHaveLength(rounds)
  })
})

describe('punching as initiator where a NAT chooses ports at random', () => {
  it('begins the next round when its bursts are over', () => {
    const { clock, told } = initiator(site(1), { ...punchRecord(7, { ...counting, allocation: 'random' }), external: { host: '198.51.100.9', port: 7 } })
    clock.increment(birthdayRoundMs - 1)
    expect(told('punch.committed')).toEqual([])
    clock.increment(1)
    expect(told('punch.committed')).toHaveLength(1)
  })
})

describe('punching as initiator where a port has to be foretold', () => {
  it.each([['the peer', site(1), punchRecord(7, counting)], ['its own NAT', site(1, counting), punchRecord(7)]])('names a moment and samples, before it fires, for %s', (_who, mine, theirs) => {
    const { told, asked, shotAt } = initiator(mine, theirs)
    expect(told('punch.committed')).toEqual([{ type: 'punch.committed', round: 1, inMs: leadMs }])
    expect(asked()).toEqual([gather(0), gather(1)])
    expect(shotAt()).toEqual([])
  })

  it('tells what it sampled', () => {
    const { gathered, told } = initiator(site(1, counting), punchRecord(7))
    gathered(1, site(5, counting))
    expect(told('punch.gathered').at(-1)).toEqual({ type: 'punch.gathered', round: 1, records: [site(5, counting).record] })
  })

  it('fires at the moment, at what the peer sampled', () => {
    const { gathered, updated, clock, shotAt, aims } = initiator(site(1, counting), punchRecord(7, counting))
    gathered(1, site(5, counting))
    updated(1, punchRecord(8, counting))
    clock.increment(leadMs - 1)
    expect(shotAt()).toEqual([])
    clock.increment(1)
    expect(shotAt()).toEqual([8])
    expect(aims).toMatchObject([{ round: 1, sites: [site(5, counting)] }])
  })

  it('waits for what the peer samples beyond the moment', () => {
    const { gathered, updated, clock, shotAt } = initiator(site(1, counting), punchRecord(7, counting))
    gathered(1, site(5, counting))
    clock.increment(leadMs + lateMs - 1)
    expect(shotAt()).toEqual([])
    updated(1, punchRecord(8, counting))
    expect(shotAt()).toEqual([8])
  })

  it('fires at what it knows when the peer’s sample does not come', () => {
    const { gathered, clock, shotAt } = initiator(site(1, counting), punchRecord(7, counting))
    gathered(1, site(5, counting))
    clock.increment(leadMs + lateMs)
    expect(shotAt()).toEqual([7])
  })

  it('fires from what it has when its own sample does not come, and again when it does', async () => {
    const { gathered, clock, aims, told } = initiator(site(1, counting), punchRecord(7))
    await pass(clock, leadMs + lateMs)
    expect(aims).toMatchObject([{ sites: [site(1, counting)] }])
    gathered(1, site(5, counting))
    expect(aims).toMatchObject([{}, { sites: [site(5, counting)] }])
    expect(told('punch.gathered').at(-1)).toMatchObject({ round: 1, records: [site(5, counting).record] })
  })

  it('tells ports of an earlier round as what they are, and waits on for those of this one', () => {
    const { gathered, answered, clock, told, actor } = start()
    clock.increment(gatherMs)
    gathered(0, site(1, counting))
    answered(punchRecord(7))
    gathered(0, site(2, counting))
    expect(told('punch.gathered').at(-1)).toMatchObject({ round: 0, records: [site(2, counting).record] })
    expect(actor.getSnapshot().matches({ trying: { agreed: 'updatingMappings' } })).toBe(true)
  })
})

describe('punching as responder', () => {
  it('fires when half of both broker round trips have passed since its answer, not before', () => {
    const { gathered, answerSent, clock, shotAt } = responder(punchRecord(7))
    gathered(0, site(1))
    answerSent(40)
    clock.increment(39)
    expect(shotAt()).toEqual([])
    clock.increment(1)
    expect(shotAt()).toEqual([7])
  })

  it('does not begin before its answer has left', () => {
    const { gathered, clock, shotAt } = responder(punchRecord(7))
    gathered(0, site(1))
    clock.increment(5_000)
    expect(shotAt()).toEqual([])
  })

  it('is exhausted when its answer never leaves', () => {
    const { gathered, clock, isOver } = responder(punchRecord(7))
    gathered(0, site(1))
    clock.increment(ackTimeoutMs + answerTimeoutMs)
    expect(isOver()).toBe(true)
  })

  it('samples when the initiator has named the moment, and not before', () => {
    const { gathered, answerSent, committed, clock, asked, shotAt } = responder(punchRecord(7, counting))
    gathered(0, site(1))
    answerSent(40)
    clock.increment(500)
    expect(asked()).toEqual([gather(0)])
    committed(1, 200)
    expect(asked()).toEqual([gather(0), gather(1)])
    expect(shotAt()).toEqual([])
  })

  it('fires at the moment the initiator named, at what it sampled', () => {
    const { gathered, answerSent, committed, updated, clock, told, shotAt } = responder(punchRecord(7, counting))
    gathered(0, site(1))
    answerSent(40)
    committed(1, 200)
    gathered(1, site(1))
    expect(told('punch.gathered').at(-1)).toMatchObject({ round: 1 })
    updated(1, punchRecord(8, counting))
    clock.increment(199)
    expect(shotAt()).toEqual([])
    clock.increment(1)
    expect(shotAt()).toEqual([8])
  })

  it('fires all the same when the initiator names no moment', async () => {
    const { gathered, answerSent, clock, shotAt } = responder(punchRecord(7, counting))
    gathered(0, site(1))
    answerSent(40)
    await pass(clock, updateMs + 40)
    expect(shotAt()).toEqual([7])
  })

  it('keeps a sample that comes before the moment is named', () => {
    const { gathered, answerSent, committed, updated, clock, shotAt } = responder(punchRecord(7, counting))
    gathered(0, site(1))
    answerSent(40)
    updated(1, punchRecord(8, counting))
    committed(1, 200)
    gathered(1, site(1))
    clock.increment(200)
    expect(shotAt()).toEqual([8])
  })

  it('follows the initiator into the next round, out of any state', async () => {
    const { gathered, answerSent, committed, clock, asked } = responder(punchRecord(7))
    gathered(0, site(1))
    answerSent(40)
    await pass(clock, 40)
    committed(1, 200)
    committed(2, 200)
    expect(asked()).toEqual([gather(0), used, gather(1), gather(2)])
  })

  it.each([['an earlier round', 1], ['the same round', 2], ['more rounds than there may be', rounds + 1]])('ignores a moment of %s', async (_what, round) => {
    const { gathered, answerSent, committed, asked, context } = responder(punchRecord(7))
    gathered(0, site(1))
    answerSent(40)
    committed(2, 200)
    committed(round, 900)
    expect(asked()).toEqual([gather(0), gather(2)])
    expect(context()).toMatchObject({ round: 2, momentMs: 200 })
  })

  it('never names a moment itself', async () => {
    const { gathered, answerSent, clock, told } = responder(punchRecord(7, counting))
    gathered(0, site(1, counting))
    answerSent(40)
    await pass(clock, 2 * timeoutMs)
    expect(told('punch.committed')).toEqual([])
  })

  it.each([['its own', 0], ['the initiator’s', 1]])('waits for %s ports where they come late', (_whose, known) => {
    const { gathered, answerSent, updated, clock, shotAt } = known === 0 ? responder(punchRecord(7)) : responder()
    if (known === 1) gathered(0, site(1))
    clock.increment(gatherMs)
    answerSent(40)
    clock.increment(500)
    if (known === 0) gathered(0, site(1))
    else updated(0, punchRecord(7))
    clock.increment(40)
    expect(shotAt()).toEqual([7])
  })
})

describe('a punch under way', () => {
  it('shoots at what the peer states late', () => {
    const { updated, shotAt } = initiator(site(1), punchRecord(7))
    updated(0, punchRecord(7), punchRecord(8))
    updated(0, punchRecord(9))
    expect(shotAt()).toEqual([7, 8, 9])
  })

  it('ignores an update of an earlier round', () => {
    const { updated, shotAt, context } = initiator(site(1), punchRecord(7))
    updated(1, punchRecord(8))
    updated(0, punchRecord(9))
    expect(shotAt()).toEqual([7, 8])
    expect(context().peer).toEqual([punchRecord(8)])
  })

  it('fires nothing twice, but at a foretold port in each round', () => {
    const { gathered, updated, committed, answerSent, clock, shotAt } = responder(punchRecord(7), punchRecord(8, counting))
    gathered(0, site(1))
    answerSent(0)
    for (const round of [1, 2]) {
      committed(round, 200)
      gathered(round, site(1))
      updated(round, punchRecord(7), punchRecord(8, counting))
      clock.increment(200)
    }
    expect(shotAt()).toEqual([7, 8, 8])
  })

  it('says that its ports were used when a volley leaves', () => {
    expect(initiator(site(1), punchRecord(7)).asked()).toEqual([gather(0), used])
  })

  it('does not say so when there was nothing to fire', async () => {
    const { clock, asked } = initiator(site(1))
    await pass(clock, updateMs)
    expect(asked()).toEqual([gather(0)])
  })

  it.each(['is exhausted', 'is stopped'])('lets its ports go when it %s', how => {
    const { send, stop, fakes } = start()
    expect(fakes.last('ports').isStopped).toBe(false)
    if (how === 'is stopped') stop()
    else send({ type: 'xstate.error.actor.ports', actorId: 'ports', error: new Error('a defect') })
    expect(fakes.last('ports').isStopped).toBe(true)
  })

  it('is over with its time, volleys under way included', async () => {
    const { clock, isOver, fakes } = initiator(site(1), punchRecord(7))
    await pass(clock, timeoutMs - 1)
    expect(isOver()).toBe(false)
    await pass(clock, 1)
    expect(isOver()).toBe(true)
    expect(fakes.last('candidate').isStopped).toBe(true)
  })

  it('is exhausted when its volleys are and no round is left', async () => {
    const { gathered, answerSent, committed, updated, clock, fail, isOver } = responder(punchRecord(7))
    gathered(0, site(1))
    answerSent(0)
    committed(rounds, 200)
    gathered(rounds, site(1))
    updated(rounds, punchRecord(8))
    await pass(clock, 200)
    expect(isOver()).toBe(false)
    fail('punch-1')
    expect(isOver()).toBe(true)
  })

  it('waits for the next round when its volleys came to nothing', () => {
    const { fail, isOver, clock, told } = initiator(site(1), punchRecord(7))
    fail('punch-1')
    expect(isOver()).toBe(false)
    clock.increment(roundMs)
    expect(told('punch.committed')).toHaveLength(1)
  })
})

describe('a punch during an election', () => {
  it.each(['fires', 'samples'])('waits when the answer comes, and %s when the election came to nothing', what => {
    const { gathered, send, answered, clock, shotAt, asked } = start()
    gathered(0, site(1, what === 'fires' ? undefined : counting))
    send({ type: 'election.started' })
    answered(punchRecord(7))
    clock.increment(500)
    expect(asked()).toEqual([gather(0)])
    expect(shotAt()).toEqual([])
    send({ type: 'election.failed' })
    expect(asked()).toEqual([gather(0), what === 'fires' ? used : gather(1)])
  })

  it('lets the moment pass, and fires when the election came to nothing', () => {
    const { gathered, updated, send, clock, shotAt } = initiator(site(1, counting), punchRecord(7))
    gathered(1, site(5, counting))
    updated(1, punchRecord(8))
    send({ type: 'election.started' })
    clock.increment(leadMs)
    expect(shotAt()).toEqual([])
    send({ type: 'election.failed' })
    expect(shotAt()).toEqual([8])
  })

  it('begins no round, and begins it when the election came to nothing', async () => {
    const { send, clock, told } = initiator(site(1), punchRecord(7))
    send({ type: 'election.started' })
    await pass(clock, roundMs)
    expect(told('punch.committed')).toEqual([])
    send({ type: 'election.failed' })
    await pass(clock, roundMs)
    expect(told('punch.committed')).toHaveLength(1)
  })
})
