import { describe, expect, it } from 'vitest'
import { attemptMachine } from '../../../machines/attempt/attempt.machine.js'
import { strategyOrder, type Strategy } from '../../../machines/strategies.js'
import { pass } from '../../support/machines/live.js'
import { endpoints, failure, policy, record } from '../../support/machines/samples.js'
import { actingRole, allStrategies, otherRole, startStrategy } from '../../support/machines/strategy.js'

/** Longer than a strategy may take whose actors are silent. */
const boundMs = 60_000

/** On the side on which it acts, with candidates under way. */
async function underWay(strategy: Strategy, ...numbers: number[]) {
  const started = startStrategy(strategy)
  started.begin()
  await started.plan(numbers)
  await pass(started.clock, numbers.length * policy.dial.staggerMs)
  return started
}

describe('the strategies of this version', () => {
  it('are all held to the contract, and all known to the attempt', () => {
    expect(allStrategies).toEqual(expect.arrayContaining([...strategyOrder]))
    expect(Object.keys(attemptMachine.implementations.actors)).toEqual(expect.arrayContaining([...allStrategies]))
  })
})

describe.each(allStrategies)('the strategy %s', strategy => {
  it('starts what is planned', async () => {
    const { started, id } = await underWay(strategy, 1, 2)
    expect(started()).toEqual([id(1), id(2)])
  })

  it('is exhausted, and says so once, when nothing is left', async () => {
    const { clock, fail, told, status, output } = await underWay(strategy, 1, 2)
    fail(1)
    fail(2)
    await pass(clock, boundMs)
    expect(told('strategy.exhausted')).toEqual([{ type: 'strategy.exhausted', strategy }])
    expect(status()).toBe('done')
    expect(output()).toEqual({ strategy })
  })

  it('is exhausted at once when there is nothing to try at all', async () => {
    const { told } = await underWay(strategy)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('hands each secured channel to its parent exactly once', async () => {
    const { secure, told } = await underWay(strategy, 1, 2)
    secure(1)
    secure(2)
    expect(told('channel.secured').map(({ channelId, candidate }) => [channelId, (candidate as { id: string }).id])).toEqual([['channel-1', `${strategy}-1`], ['channel-2', `${strategy}-2`]])
  })

  it('tells every change of every candidate, and what the safety rules left out', async () => {
    const { begin, plan, call, id, told } = startStrategy(strategy)
    const skipped = record(id(9), 'skipped', { error: { code: 'ERR_DIAL_FORBIDDEN', message: 'private' } })
    begin()
    await plan([1], [skipped])
    const changes = [record(id(1), 'securing'), record(id(1), 'failed', { error: failure })]
    for (const changed of changes) call(1).tell({ type: 'candidate.changed', candidate: changed })
    expect(told('candidate.changed').map(({ candidate }) => candidate as unknown)).toEqual([skipped, ...changes])
  })

  it('starts nothing new while an election runs', async () => {
    const { send, tellNews, fail, clock, started, fakes, planner } = await underWay(strategy, 1)
    send({ type: 'election.started' })
    tellNews()
    fail(1)
    await pass(clock, policy.dial.staggerMs * 10)
    expect(started()).toHaveLength(1)
    expect(fakes.of(planner)).toHaveLength(1)
  })

  it('starts what was planned when an election began, and only then, when that came to nothing', async () => {
    const { begin, send, plan, clock, started, id } = startStrategy(strategy)
    begin()
    send({ type: 'election.started' })
    await plan([1])
    await pass(clock, policy.dial.staggerMs * 10)
    expect(started()).toEqual([])
    send({ type: 'election.failed' })
    await plan([1])
    expect(started()).toEqual([id(1)])
  })

  it('goes on at once when the election came to nothing', async () => {
    const { send, tellNews, plan, started, id } = await underWay(strategy, 1)
    send({ type: 'election.started' })
    tellNews()
    send({ type: 'election.failed' })
    await plan([2])
    expect(started()).toEqual([id(1), id(2)])
  })

  it('plans again for what comes while it plans', async () => {
    const { begin, tellNews, plan, fakes, planner } = startStrategy(strategy)
    begin()
    tellNews()
    await plan([1])
    expect(fakes.of(planner)).toHaveLength(2)
  })

  it('is not exhausted while an election runs', async () => {
    const { send, secure, clock, told } = await underWay(strategy, 1)
    send({ type: 'election.started' })
    secure(1)
    await pass(clock, policy.attempt.acceptTimeoutMs)
    expect(told('strategy.exhausted')).toEqual([])
    send({ type: 'election.failed' })
    await pass(clock, boundMs)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('stops all its children when it is stopped', async () => {
    const { tellNews, fakes, planner, stop } = await underWay(strategy, 1, 2)
    const [answered] = fakes.of(planner)
    tellNews()
    stop()
    expect(fakes.calls.filter(call => call !== answered && !call.isStopped).map(({ src }) => src)).toEqual([])
  })

  it('never throws at its parent when planning fails', async () => {
    const { begin, failPlan, clock, status, told, failure: thrown } = startStrategy(strategy)
    begin()
    await failPlan()
    await pass(clock, boundMs)
    expect(thrown).toBeUndefined()
    expect(status()).toBe('done')
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('does not wait for a plan that never comes', async () => {
    const { begin, clock, told } = startStrategy(strategy)
    begin()
    await pass(clock, policy.attempt.ackTimeoutMs)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('takes a candidate that breaks for one that failed', async () => {
    const { send, id, clock, told, failure: thrown } = await underWay(strategy, 1)
    send({ type: `xstate.error.actor.${id(1)}`, actorId: id(1), error: new Error('a defect') })
    await pass(clock, boundMs)
    expect(thrown).toBeUndefined()
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it.each([
    ['acts', actingRole(strategy), true], ['acts', actingRole(strategy), false], ['waits', otherRole(strategy), true], ['waits', otherRole(strategy), false],
  ])('ends by itself where it %s as %s, when an answer is awaited (%s) and everybody is silent', async (_what, role, awaitsAnswer) => {
    const { clock, told, output } = startStrategy(strategy, { role, awaitsAnswer: awaitsAnswer && role === 'initiator', endpoints: undefined })
    await pass(clock, boundMs)
    expect(told('strategy.exhausted')).toHaveLength(1)
    expect(output()).toEqual({ strategy })
  })

  it.each(['initiator', 'responder'] as const)('ends by itself as %s when the peer is heard of and no channel comes', async role => {
    const { clock, send, told } = startStrategy(strategy, { role, endpoints: endpoints(1), awaitsAnswer: role === 'initiator' })
    send(role === 'initiator' ? { type: 'peer.answered', endpoints: endpoints(2), roundTripMs: 50 } : { type: 'answer.sent', alignMs: 50 })
    await pass(clock, boundMs)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })
})
