import { describe, expect, it } from 'vitest'
import { type AnyEventObject, type AnyStateMachine } from 'xstate'
import { attemptMachine } from '../../../machines/attempt/attempt.machine.js'
import { strategyOrder, type Strategy } from '../../../machines/strategies.js'
import type { StrategyInput } from '../../../machines/shared/strategy.types.js'
import { FakeActors, pass, run, settled } from '../../support/machines/live.js'
import { candidate, endpoints, failure, peerId, policy, record } from '../../support/machines/samples.js'

/** The side on which each strategy acts; on the other it waits for the peer. A new strategy is entered here. */
const actingRole: Readonly<Record<Strategy, StrategyInput['role']>> = { direct: 'initiator', reverse: 'responder' }

const { staggerMs } = policy.dial

function start(strategy: Strategy, fields: Partial<StrategyInput> = {}) {
  const fakes = new FakeActors()
  const machine = (attemptMachine.implementations.actors as Record<string, unknown>)[strategy] as AnyStateMachine
  const provided = machine.provide({ actors: fakes.provide({ promises: ['planCandidates'], callbacks: ['candidate'] }) })
  const input: StrategyInput = {
    strategy, role: actingRole[strategy], peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: endpoints(1), awaitsAnswer: false, policy, ...fields,
  }
  const running = run(provided, input)
  const send = (event: AnyEventObject) => running.actor.send(event)
  const id = (number: number) => `${strategy}-${number}`
  const plan = async (...numbers: number[]) => {
    fakes.last('planCandidates').resolve({ candidates: numbers.map(number => candidate(id(number), { strategy })), skipped: [], keys: numbers.map(String) })
    await settled()
  }
  const started = () => fakes.of('candidate').map(({ input: given }) => (given as { candidate: { id: string } }).candidate.id)
  const call = (number: number) => fakes.of('candidate').find(({ input: given }) => (given as { candidate: { id: string } }).candidate.id === id(number))!
  const fail = (number: number) => call(number).tell({ type: 'candidate.failed', candidate: record(id(number), 'failed', { error: failure }) })
  const secure = (number: number) => call(number).tell({ type: 'candidate.secured', channelId: `channel-${number}`, candidate: record(id(number), 'secured') })
  const told = (type: string) => running.told.filter(event => event.type === type)
  const status = () => running.actor.getSnapshot().status
  return { ...running, fakes, send, id, plan, started, call, fail, secure, told, status }
}

describe.each(strategyOrder)('the strategy %s', strategy => {
  it('is exhausted, and says so once, when nothing is left', async () => {
    const { plan, fail, told, status, actor } = start(strategy)
    await plan(1, 2)
    fail(1)
    fail(2)
    expect(told('strategy.exhausted')).toEqual([{ type: 'strategy.exhausted', strategy }])
    expect(status()).toBe('done')
    expect(actor.getSnapshot().output).toEqual({ strategy })
  })

  it('is exhausted when there is nothing to try at all', async () => {
    const { plan, told } = start(strategy)
    await plan()
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('hands each secured channel to its parent exactly once', async () => {
    const { plan, secure, clock, told } = start(strategy)
    await plan(1, 2)
    await pass(clock, staggerMs, staggerMs)
    secure(1)
    secure(2)
    expect(told('channel.secured').map(({ channelId }) => channelId)).toEqual(['channel-1', 'channel-2'])
  })

  it('tells every change of every candidate, and what the safety rules left out', async () => {
    const { fakes, call, id, told } = start(strategy)
    const skipped = record(`${strategy}-9`, 'skipped', { error: { code: 'ERR_DIAL_FORBIDDEN', message: 'private' } })
    fakes.last('planCandidates').resolve({ candidates: [candidate(id(1))], skipped: [skipped], keys: ['1', '9'] })
    await settled()
    const changes = [record(id(1), 'securing'), record(id(1), 'failed', { error: failure })]
    for (const changed of changes) call(1).tell({ type: 'candidate.changed', candidate: changed })
    expect(told('candidate.changed').map(({ candidate: one }) => one)).toEqual([skipped, ...changes])
  })

  it('starts the next candidate after the stagger, not before', async () => {
    const { plan, clock, started, id } = start(strategy)
    await plan(1, 2, 3)
    expect(started()).toEqual([id(1)])
    clock.increment(staggerMs - 1)
    expect(started()).toEqual([id(1)])
    clock.increment(1)
    expect(started()).toEqual([id(1), id(2)])
    clock.increment(staggerMs)
    expect(started()).toEqual([id(1), id(2), id(3)])
  })

  it('starts the next candidate at once when one fails', async () => {
    const { plan, fail, started, id } = start(strategy)
    await plan(1, 2, 3)
    fail(1)
    expect(started()).toEqual([id(1), id(2)])
  })

  it('starts nothing new while an election runs', async () => {
    const { plan, send, clock, fail, started, id } = start(strategy)
    await plan(1, 2)
    send({ type: 'election.started' })
    fail(1)
    await pass(clock, 10 * staggerMs, staggerMs)
    expect(started()).toEqual([id(1)])
  })

  it.each(['planning', 'racing'])('starts nothing new when the election began while it was %s', async when => {
    const { plan, send, clock, started } = start(strategy)
    if (when === 'racing') await plan(1)
    const before = started().length
    send({ type: 'peer.answered', endpoints: endpoints(2) })
    send({ type: 'election.started' })
    await plan(2, 3)
    await pass(clock, 10 * staggerMs, staggerMs)
    expect(started()).toHaveLength(before)
  })

  it('goes on at once when the election came to nothing', async () => {
    const { plan, send, started, id } = start(strategy)
    await plan(1, 2)
    send({ type: 'election.started' })
    send({ type: 'election.failed' })
    expect(started()).toEqual([id(1), id(2)])
  })

  it('is exhausted when the last election failed and nothing is left', async () => {
    const { plan, secure, send, told } = start(strategy, { awaitsAnswer: true })
    await plan(1)
    send({ type: 'election.started' })
    secure(1)
    send({ type: 'signalling.ended' })
    expect(told('strategy.exhausted')).toEqual([])
    send({ type: 'election.failed' })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it.each(['planning', 'racing', 'holding', 'waiting'])('plans the endpoints of an answer that comes while it is %s', async when => {
    const { plan, send, fakes, fail, started, id } = start(strategy, { awaitsAnswer: true })
    if (when !== 'planning') await plan(1)
    if (when === 'holding') send({ type: 'election.started' })
    if (when === 'waiting') fail(1)
    send({ type: 'peer.answered', endpoints: endpoints(2) })
    if (when === 'holding') send({ type: 'election.failed' })
    expect(fakes.last('planCandidates').input).toMatchObject({ endpoints: endpoints(2), planned: when === 'planning' ? [] : ['1'] })
    await plan(5)
    expect(started()).toContain(id(5))
  })

  it('waits for an answer that may bring endpoints, and is exhausted when none comes', async () => {
    const { plan, fail, told, send } = start(strategy, { awaitsAnswer: true })
    await plan(1)
    fail(1)
    expect(told('strategy.exhausted')).toEqual([])
    send({ type: 'signalling.ended' })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('stops all its children when it is stopped', async () => {
    const { plan, clock, fakes, stop } = start(strategy)
    await plan(1, 2)
    clock.increment(staggerMs)
    stop()
    expect(fakes.calls.filter(({ src, isStopped }) => src === 'candidate' && !isStopped)).toEqual([])
  })

  it('never throws at its parent when planning fails', async () => {
    const { fakes, status, told, failure: thrown } = start(strategy)
    fakes.last('planCandidates').reject(new Error('a defect'))
    await settled()
    expect(thrown).toBeUndefined()
    expect(status()).toBe('done')
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('goes on with the next candidate when one breaks', async () => {
    const { plan, send, id, started, status } = start(strategy)
    await plan(1, 2)
    send({ type: `xstate.error.actor.${id(1)}`, actorId: id(1), error: new Error('a defect') })
    expect(started()).toEqual([id(1), id(2)])
    expect(status()).toBe('active')
  })

  it('does not wait for a plan that never comes', async () => {
    const { clock, told } = start(strategy)
    await pass(clock, policy.attempt.ackTimeoutMs)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('takes the same input and gives the same output on the side that waits, and ends by itself', async () => {
    const role = actingRole[strategy] === 'initiator' ? 'responder' : 'initiator'
    const { clock, send, told, actor } = start(strategy, { role, awaitsAnswer: role === 'initiator' })
    if (role === 'initiator') send({ type: 'peer.answered', endpoints: endpoints(2) })
    await pass(clock, policy.attempt.inboundTimeoutMs)
    expect(told('strategy.exhausted')).toHaveLength(1)
    expect(actor.getSnapshot().output).toEqual({ strategy })
  })
})

describe('the strategy reverse, on the initiator’s side', () => {
  const role = 'initiator'

  it('is exhausted when signalling falls silent', () => {
    const { send, told } = start('reverse', { role, awaitsAnswer: true })
    send({ type: 'signalling.ended' })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('is exhausted at once when there is no broker the peer could be asked by', () => {
    const { told } = start('reverse', { role, awaitsAnswer: false })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })
})
