import { describe, expect, it } from 'vitest'
import { pass } from '../../support/machines/live.js'
import { endpoints, policy } from '../../support/machines/samples.js'
import { otherRole, startStrategy } from '../../support/machines/strategy.js'

const { staggerMs } = policy.dial

describe.each(['direct', 'reverse'] as const)('dialling as %s', strategy => {
  it('starts the next candidate after the stagger, not before', async () => {
    const { plan, clock, started, id } = startStrategy(strategy)
    await plan([1, 2, 3])
    expect(started()).toEqual([id(1)])
    clock.increment(staggerMs - 1)
    expect(started()).toEqual([id(1)])
    clock.increment(1)
    expect(started()).toEqual([id(1), id(2)])
    clock.increment(staggerMs)
    expect(started()).toEqual([id(1), id(2), id(3)])
  })

  it('starts the next candidate at once when one fails', async () => {
    const { plan, fail, started, id } = startStrategy(strategy)
    await plan([1, 2, 3])
    fail(1)
    expect(started()).toEqual([id(1), id(2)])
  })

  it('starts the next candidate at once when one breaks', async () => {
    const { plan, send, id, started, status } = startStrategy(strategy)
    await plan([1, 2])
    send({ type: `xstate.error.actor.${id(1)}`, actorId: id(1), error: new Error('a defect') })
    expect(started()).toEqual([id(1), id(2)])
    expect(status()).toBe('active')
  })

  it('is exhausted at once when the last candidate failed', async () => {
    const { plan, fail, told } = startStrategy(strategy)
    await plan([1])
    fail(1)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it.each(['planning', 'racing'])('starts nothing that an answer brings when the election began while it was %s', async when => {
    const { plan, send, clock, started } = startStrategy(strategy)
    if (when === 'racing') await plan([1])
    const before = started().length
    send({ type: 'peer.answered', endpoints: endpoints(2), roundTripMs: 50 })
    send({ type: 'election.started' })
    await plan([2, 3])
    await pass(clock, 10 * staggerMs, staggerMs)
    expect(started()).toHaveLength(before)
  })

  it('starts what is left at once when the election came to nothing', async () => {
    const { plan, send, started, id } = startStrategy(strategy)
    await plan([1, 2])
    send({ type: 'election.started' })
    send({ type: 'election.failed' })
    expect(started()).toEqual([id(1), id(2)])
  })

  it('is exhausted when the last election failed and nothing is left', async () => {
    const { plan, secure, send, told } = startStrategy(strategy, { awaitsAnswer: true })
    await plan([1])
    send({ type: 'election.started' })
    secure(1)
    send({ type: 'signalling.ended' })
    expect(told('strategy.exhausted')).toEqual([])
    send({ type: 'election.failed' })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it.each(['planning', 'racing', 'holding', 'waiting'])('plans the endpoints of an answer that comes while it is %s', async when => {
    const { plan, send, fakes, fail, started, id } = startStrategy(strategy, { awaitsAnswer: true })
    if (when !== 'planning') await plan([1])
    if (when === 'holding') send({ type: 'election.started' })
    if (when === 'waiting') fail(1)
    send({ type: 'peer.answered', endpoints: endpoints(2), roundTripMs: 50 })
    if (when === 'holding') send({ type: 'election.failed' })
    expect(fakes.last('planCandidates').input).toMatchObject({ endpoints: endpoints(2), planned: when === 'planning' ? [] : [id(1)] })
    await plan([5])
    expect(started()).toContain(id(5))
  })

  it('waits for an answer that may bring endpoints, and is exhausted when none comes', async () => {
    const { plan, fail, told, send } = startStrategy(strategy, { awaitsAnswer: true })
    await plan([1])
    fail(1)
    expect(told('strategy.exhausted')).toEqual([])
    send({ type: 'signalling.ended' })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('lets the other side dial for as long as its dials take', async () => {
    const role = otherRole(strategy)
    const { clock, send, told } = startStrategy(strategy, { role, awaitsAnswer: role === 'initiator' })
    if (role === 'initiator') send({ type: 'peer.answered', endpoints: endpoints(2), roundTripMs: 50 })
    await pass(clock, policy.attempt.inboundTimeoutMs - 1)
    expect(told('strategy.exhausted')).toEqual([])
    await pass(clock, 1)
    expect(told('strategy.exhausted')).toHaveLength(1)
  })
})

describe('reverse, on the initiator’s side', () => {
  const role = 'initiator'

  it('is exhausted when signalling falls silent', () => {
    const { send, told } = startStrategy('reverse', { role, awaitsAnswer: true })
    send({ type: 'signalling.ended' })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })

  it('is exhausted at once when there is no broker the peer could be asked by', () => {
    const { told } = startStrategy('reverse', { role, awaitsAnswer: false })
    expect(told('strategy.exhausted')).toHaveLength(1)
  })
})
