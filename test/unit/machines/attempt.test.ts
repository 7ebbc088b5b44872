import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { attemptMachine } from '../../../machines/attempt/attempt.machine.js'
import type { AttemptContext, AttemptInput, AttemptOutput } from '../../../machines/attempt/attempt.types.js'
import { FakeActors, pass, run, settled } from '../../support/machines/live.js'
import { attemptInput, cancellation, endpoints, failure, policy, punchRecord, record, refusal, responderInput, target } from '../../support/machines/samples.js'

const { offerGraceMs, offerHoldMs, acceptTimeoutMs, pendingTimeoutMs, ackTimeoutMs, answerTimeoutMs } = policy.attempt

function start(input: AttemptInput) {
  const fakes = new FakeActors()
  const ended: unknown[] = []
  const machine = attemptMachine.provide({
    actors: fakes.provide({ promises: ['resolvePeer'], callbacks: ['exchange', 'answer', 'openChannel', 'direct', 'reverse', 'punch'] }),
    actions: { endChannels: (_, params) => void ended.push(params.exceptId) },
  })
  const running = run(machine, input)
  const send = (event: AnyEventObject) => running.actor.send(event)
  const resolve = async (known = target()) => {
    fakes.last('resolvePeer').resolve({ ok: true, target: known })
    await settled()
  }
  const secured = (id: string, rttMs = 1) => send({ type: 'channel.secured', channelId: `channel of ${id}`, candidate: record(id, 'secured', { rttMs }) })
  const changed = (id: string, status: 'dialling' | 'securing' | 'failed') => send({ type: 'candidate.changed', candidate: record(id, status, status === 'failed' ? { error: failure } : {}) })
  const exhausted = (strategy: string) => send({ type: 'strategy.exhausted', strategy })
  const context = (): AttemptContext => running.actor.getSnapshot().context
  const output = (): AttemptOutput => running.actor.getSnapshot().output
  const statusOf = (id: string) => context().candidates[id]?.status
  const is = (...path: string[]) => running.actor.getSnapshot().matches(path.reduceRight<unknown>((inner, key) => (inner === undefined ? key : { [key]: inner }), undefined))
  const received = (src: string) => fakes.last(src).received.map(({ type }) => type)
  return { ...running, fakes, ended, send, resolve, secured, changed, exhausted, context, output, statusOf, is, received }
}

describe('an initiator’s attempt', () => {
  it('dials with what the address says before any message is sent, and starts reverse with the offer', async () => {
    const { clock, fakes, resolve } = start(attemptInput())
    await resolve()
    expect(fakes.calls.map(({ src }) => src)).toEqual(['resolvePeer', 'direct'])
    clock.increment(offerGraceMs)
    expect(fakes.calls.slice(2).map(({ src }) => src).sort()).toEqual(['exchange', 'reverse'])
    expect(fakes.last('direct').input).toMatchObject({ endpoints: endpoints(1), awaitsAnswer: true, peerId: 'peer' })
  })

  it('offers as soon as the grace is over when no direct channel is coming up', async () => {
    const { clock, fakes, resolve, changed } = start(attemptInput())
    await resolve()
    changed('direct-1', 'dialling')
    clock.increment(offerGraceMs)
    expect(fakes.last('exchange').input).toMatchObject({ strategies: ['direct', 'reverse'], brokers: ['mqtt://broker'] })
  })

  it('offers at once when it knows no endpoint to dial', async () => {
    const { clock, is, resolve } = start(attemptInput())
    await resolve({ ...target(), endpoints: undefined })
    clock.increment(0)
    expect(is('connecting', 'signalling', 'offering')).toBe(true)
  })

  it('needs no look-up when its input says who the peer is', () => {
    const { fakes } = start(attemptInput({ target: target() }))
    expect(fakes.calls.map(({ src }) => src)).toEqual(['direct'])
  })

  it('never offers when a direct channel is elected while the offer is held', async () => {
    const { clock, fakes, resolve, changed, secured, send, output } = start(attemptInput())
    await resolve()
    changed('direct-1', 'securing')
    clock.increment(offerGraceMs)
    secured('direct-1')
    send({ type: 'open.accepted' })
    expect(output()).toMatchObject({ ok: true, channelId: 'channel of direct-1' })
    expect(fakes.of('exchange')).toEqual([])
  })

  it('offers as soon as the direct channel that held the offer fails', async () => {
    const { clock, is, resolve, changed } = start(attemptInput())
    await resolve()
    changed('direct-1', 'securing')
    clock.increment(offerGraceMs)
    expect(is('connecting', 'signalling', 'heldBack')).toBe(true)
    changed('direct-1', 'failed')
    expect(is('connecting', 'signalling', 'offering')).toBe(true)
  })

  it('holds the offer no longer than the hold', async () => {
    const { clock, is, resolve, changed } = start(attemptInput())
    await resolve()
    changed('direct-1', 'securing')
    clock.increment(offerGraceMs)
    clock.increment(offerHoldMs)
    expect(is('connecting', 'signalling', 'offering')).toBe(true)
  })

  it('ends when the peer refuses the offer', async () => {
    const { clock, resolve, send, output, changed, statusOf } = start(attemptInput())
    await resolve()
    changed('direct-1', 'dialling')
    clock.increment(offerGraceMs)
    send({ type: 'exchange.refused', failure: refusal })
    expect(output()).toEqual({ ok: false, failure: refusal })
    expect(statusOf('direct-1')).toBe('cancelled')
  })

  it('hands the endpoints of the answer to its strategies', async () => {
    const { clock, resolve, send, fakes, context } = start(attemptInput())
    await resolve()
    clock.increment(offerGraceMs)
    send({ type: 'exchange.answered', endpoints: endpoints(7), roundTripMs: 50 })
    for (const src of ['direct', 'reverse']) expect(fakes.last(src).received).toEqual([{ type: 'peer.answered', endpoints: endpoints(7), roundTripMs: 50 }])
    expect(context().signalling).toMatchObject({ acknowledged: true, answered: true })
  })

  it.each([
    ['nobody acknowledges', ackTimeoutMs, []],
    ['the peer acknowledges and never answers', answerTimeoutMs, [{ type: 'exchange.published' }, { type: 'exchange.acknowledged' }]],
    ['the exchange fails', 0, [{ type: 'exchange.failed', failure }]],
  ])('tells its strategies that signalling is over, and goes on, when %s', async (_why, waitMs, events) => {
    const { clock, resolve, send, received, is } = start(attemptInput())
    await resolve()
    clock.increment(offerGraceMs)
    events.forEach(send)
    clock.increment(waitMs)
    expect(received('direct')).toEqual(['signalling.ended'])
    expect(received('reverse')).toEqual(['signalling.ended'])
    expect(is('connecting')).toBe(true)
  })

  it('says that no broker took the offer when none did in time', async () => {
    const { clock, resolve, exhausted, output } = start(attemptInput())
    await resolve()
    clock.increment(offerGraceMs)
    clock.increment(ackTimeoutMs)
    exhausted('direct')
    exhausted('reverse')
    expect(output()).toMatchObject({ ok: false, failure: { code: 'ERR_BROKER_TIMEOUT' } })
  })

  it('fails when every strategy is exhausted, one of them by breaking', async () => {
    const { clock, resolve, exhausted, send, output } = start(attemptInput())
    await resolve()
    clock.increment(offerGraceMs)
    exhausted('reverse')
    send({ type: 'xstate.error.actor.direct', actorId: 'direct', error: new Error('a defect') })
    expect(output()).toMatchObject({ ok: false, failure: { code: 'ERR_PEER_OFFLINE' } })
  })

  it('fails when its time is over, whatever it waits for', async () => {
    const { clock, output } = start(attemptInput({ timeoutMs: 1_000 }))
    await pass(clock, 1_000)
    expect(output()).toMatchObject({ ok: false })
  })
})

describe('an election', () => {
  async function two() {
    const attempt = start(attemptInput())
    await attempt.resolve()
    attempt.secured('direct-1', 50)
    attempt.secured('direct-2')
    return attempt
  }

  it('opens the first channel, tells the strategies, and keeps the second', async () => {
    const { fakes, received, context } = await two()
    expect(fakes.of('openChannel').map(({ input }) => input)).toMatchObject([{ channelId: 'channel of direct-1' }])
    expect(received('direct')).toEqual(['election.started'])
    expect(context().ready).toHaveLength(1)
  })

  it('elects the second channel when the first is lost', async () => {
    const { fakes, send, output, statusOf, ended } = await two()
    send({ type: 'open.lost', failure: { code: 'ERR_CHANNEL_LOST', message: 'broke' } })
    expect(fakes.last('openChannel').input).toMatchObject({ channelId: 'channel of direct-2' })
    send({ type: 'open.accepted' })
    expect(output()).toMatchObject({ ok: true, channelId: 'channel of direct-2', candidate: { status: 'elected' } })
    expect(statusOf('direct-1')).toBe('failed')
    expect(ended).toEqual(['channel of direct-2'])
  })

  it('elects the second channel when the first is not accepted in time, and stops what opened it', async () => {
    const { fakes, clock, context } = await two()
    clock.increment(acceptTimeoutMs)
    expect(fakes.of('openChannel').map(({ isStopped }) => isStopped)).toEqual([true, false])
    expect(context().candidates['direct-1']).toMatchObject({ status: 'failed', error: { code: 'ERR_ACCEPT_TIMEOUT' } })
  })

  it('gives a far peer three round trips to accept', async () => {
    const { resolve, secured, clock, context } = start(attemptInput())
    await resolve()
    secured('direct-1', 1_000)
    clock.increment(2_999)
    expect(context().electing).toBeDefined()
    clock.increment(1)
    expect(context().electing).toBeUndefined()
  })

  it('waits longer on a channel whose peer says PENDING', async () => {
    const { fakes, send, clock } = await two()
    send({ type: 'open.pending' })
    clock.increment(pendingTimeoutMs - 1)
    expect(fakes.of('openChannel')).toHaveLength(1)
    clock.increment(1)
    expect(fakes.of('openChannel')).toHaveLength(2)
  })

  it('tells its strategies to go on when it came to nothing', async () => {
    const { resolve, secured, send, received } = start(attemptInput())
    await resolve()
    secured('direct-1')
    send({ type: 'open.lost', failure })
    expect(received('direct')).toEqual(['election.started', 'election.failed'])
  })

  it('is not cut short by strategies that are exhausted meanwhile', async () => {
    const { exhausted, send, output } = await two()
    exhausted('direct')
    exhausted('reverse')
    send({ type: 'open.lost', failure })
    send({ type: 'open.accepted' })
    expect(output()).toMatchObject({ ok: true, channelId: 'channel of direct-2' })
  })

  it('ends the attempt when the peer refuses the pipe', async () => {
    const { send, output, ended, statusOf } = await two()
    send({ type: 'open.refused', failure: refusal })
    expect(output()).toEqual({ ok: false, failure: refusal })
    expect(ended).toEqual([undefined])
    expect(statusOf('direct-2')).toBe('lost')
  })

  it('takes a channel that arrived through the listener like any other', async () => {
    const { resolve, send, output } = start(attemptInput())
    await resolve()
    send({ type: 'channel.arrived', channelId: 'channel-9', candidate: record('inbound-9', 'secured') })
    send({ type: 'open.accepted' })
    expect(output()).toMatchObject({ ok: true, channelId: 'channel-9', candidate: { strategy: 'reverse' } })
  })
})

describe('an attempt in sequence', () => {
  it('runs one strategy at a time, each with an offer of its own', async () => {
    const { clock, resolve, fakes, exhausted } = start(attemptInput({ mode: 'sequence' }))
    await resolve()
    clock.increment(offerGraceMs)
    expect(fakes.of('reverse')).toEqual([])
    exhausted('direct')
    clock.increment(offerGraceMs)
    expect(fakes.of('reverse')).toHaveLength(1)
    expect(fakes.last('direct').isStopped).toBe(true)
    expect(fakes.of('exchange').map(({ input, isStopped }) => [(input as { strategies: unknown }).strategies, isStopped])).toEqual([[['direct'], true], [['reverse'], false]])
  })

  it('starts a later round from what the peer answered in an earlier one', async () => {
    const { clock, resolve, fakes, exhausted, send } = start(attemptInput({ mode: 'sequence', strategies: ['reverse', 'direct'] }))
    await resolve({ ...target(), endpoints: undefined })
    clock.increment(0)
    send({ type: 'exchange.answered', endpoints: endpoints(7), roundTripMs: 50 })
    exhausted('reverse')
    expect(fakes.last('direct').input).toMatchObject({ endpoints: endpoints(7) })
  })

  it('does not ask again by brokers that had no answer in an earlier round', async () => {
    const { clock, resolve, fakes, exhausted, send, actor } = start(attemptInput({ mode: 'sequence' }))
    await resolve()
    clock.increment(offerGraceMs)
    send({ type: 'exchange.published' })
    clock.increment(ackTimeoutMs)
    exhausted('direct')
    expect(fakes.of('exchange')).toHaveLength(1)
    expect(actor.getSnapshot().value).toBe('failed')
  })

  it('fails when the last round is exhausted', async () => {
    const { clock, resolve, exhausted, actor } = start(attemptInput({ mode: 'sequence' }))
    await resolve()
    exhausted('direct')
    expect(actor.getSnapshot().status).toBe('active')
    clock.increment(offerGraceMs)
    exhausted('reverse')
    expect(actor.getSnapshot().value).toBe('failed')
  })
})

describe('a responder’s attempt', () => {
  it('answers the offer and starts what it asks for, and elects nothing', () => {
    const { fakes, secured } = start(responderInput())
    expect(fakes.last('answer').input).toEqual({ offerId: 'offer-1', strategies: ['direct', 'reverse'], punch: [], relay: [] })
    expect(fakes.last('reverse').input).toMatchObject({ role: 'responder', endpoints: endpoints(1), awaitsAnswer: false })
    secured('reverse-1')
    expect(fakes.of('openChannel')).toEqual([])
  })

  it('takes a repeated offer: answers it, with the strategies and endpoints it brings', () => {
    const { fakes, send } = start(responderInput({ strategies: ['direct'] }))
    send({ type: 'offer.repeated', offerId: 'offer-2', strategies: ['reverse'], target: target(endpoints(5), []) })
    expect(fakes.last('direct').isStopped).toBe(true)
    expect(fakes.of('answer').map(({ input, isStopped }) => [(input as { offerId: string }).offerId, isStopped])).toEqual([['offer-1', true], ['offer-2', false]])
    expect(fakes.last('reverse').input).toMatchObject({ endpoints: endpoints(5) })
  })

  it('cancels what the earlier round had under way when the offer is repeated', () => {
    const { send, changed, statusOf } = start(responderInput())
    changed('reverse-1', 'dialling')
    send({ type: 'offer.repeated', offerId: 'offer-2', strategies: ['direct'], target: target(endpoints(5), []) })
    expect(statusOf('reverse-1')).toBe('cancelled')
  })
})

describe('an attempt that punches', () => {
  const records = [punchRecord(1)]
  const gathered = (round: number, ...ports: number[]) => ({ type: 'punch.gathered', round, records: ports.map(port => punchRecord(port)) })

  /** Before its offer or its answer. */
  function preparing(role: 'initiator' | 'responder') {
    const strategies = ['direct', 'punch'] as const
    const attempt = start(role === 'initiator' ? attemptInput({ strategies, target: target() }) : responderInput({ strategies }))
    if (role === 'initiator') attempt.clock.increment(offerGraceMs)
    return { ...attempt, by: role === 'initiator' ? 'exchange' : 'answer' }
  }

  /** Its offer or its answer is out. */
  function talking(role: 'initiator' | 'responder') {
    const attempt = preparing(role)
    attempt.send(gathered(0, 1))
    return attempt
  }

  it('starts the initiator’s punch with the offer, and the responder’s at once', () => {
    expect(start(attemptInput({ strategies: ['direct', 'punch'], target: target() })).fakes.of('punch')).toEqual([])
    expect(preparing('initiator').fakes.of('punch')).toHaveLength(1)
    expect(start(responderInput({ strategies: ['punch'] })).fakes.of('punch')).toHaveLength(1)
  })

  it.each(['initiator', 'responder'] as const)('says as %s where it can be hit, as soon as it knows', role => {
    const { fakes, by, send, is } = preparing(role)
    expect(is('connecting', 'signalling', 'preparing')).toBe(true)
    expect(fakes.of(by)).toEqual([])
    send(gathered(0, 1))
    expect(fakes.of(by).map(({ input }) => (input as { punch: unknown }).punch)).toEqual([records])
  })

  it.each(['initiator', 'responder'] as const)('waits as %s for its ports no longer than they may take', role => {
    const { fakes, by, clock } = preparing(role)
    clock.increment(policy.punch.gatherMs - 1)
    expect(fakes.of(by)).toEqual([])
    clock.increment(1)
    expect(fakes.last(by).input).toMatchObject({ punch: [] })
  })

  it.each(['initiator', 'responder'] as const)('does not wait as %s for ports of a punch that is over', role => {
    const { fakes, by, exhausted } = preparing(role)
    exhausted('punch')
    expect(fakes.of(by)).toHaveLength(1)
  })

  it.each(['initiator', 'responder'] as const)('does not wait as %s for the ports of strategies that have none', role => {
    const { fakes, clock, is } = start(role === 'initiator' ? attemptInput({ target: target() }) : responderInput())
    if (role === 'initiator') clock.increment(offerGraceMs)
    expect(is('connecting', 'signalling', role === 'initiator' ? 'offering' : 'answering')).toBe(true)
    expect(fakes.last(role === 'initiator' ? 'exchange' : 'answer').input).toMatchObject({ punch: [] })
  })

  it.each(['initiator', 'responder'] as const)('tells the peer as %s what is gathered later', role => {
    const { fakes, by, send } = talking(role)
    expect(fakes.last(by).received).toEqual([])
    send(gathered(1, 2))
    expect(fakes.last(by).received).toEqual([{ type: 'update', round: 1, records: [punchRecord(2)], relay: [] }])
  })

  it('tells the peer the moment that its punch named', () => {
    const { fakes, send } = talking('initiator')
    send({ type: 'punch.committed', round: 1, inMs: 200 })
    expect(fakes.last('exchange').received).toEqual([{ type: 'commit', round: 1, inMs: 200 }])
  })

  it.each([
    { type: 'answer.sent', alignMs: 40 }, { type: 'peer.committed', round: 1, inMs: 200 }, { type: 'peer.updated', round: 1, punch: [punchRecord(9)] },
  ])('tells its punch, and nobody else, of $type', event => {
    const { fakes, send } = talking('responder')
    send(event)
    expect(fakes.last('punch').received).toEqual([event])
    expect(fakes.last('direct').received).toEqual([])
  })

  it('keeps where the peer can be hit now for a later round', () => {
    const { send, context } = talking('initiator')
    send({ type: 'exchange.answered', endpoints: endpoints(7), roundTripMs: 50 })
    send({ type: 'peer.updated', round: 0, punch: records, relay: [] })
    expect(context().known?.endpoints).toEqual({ ...endpoints(7), punch: records })
  })

  it('does not mind an update when its punch is over', () => {
    const { fakes, send, exhausted, is } = talking('initiator')
    exhausted('punch')
    send({ type: 'peer.updated', round: 0, punch: records, relay: [] })
    expect(fakes.last('punch').received).toEqual([])
    expect(is('connecting')).toBe(true)
  })

  it('offers in each round with the ports of that round', () => {
    const { clock, fakes, exhausted, send } = start(attemptInput({ strategies: ['punch', 'direct'], mode: 'sequence', target: target() }))
    clock.increment(offerGraceMs)
    send(gathered(0, 1))
    exhausted('punch')
    clock.increment(offerGraceMs)
    expect(fakes.of('exchange').map(({ input }) => (input as { punch: unknown }).punch)).toEqual([records, []])
  })

  it('gathers anew for a repeated offer', () => {
    const { fakes, send } = talking('responder')
    send({ type: 'offer.repeated', offerId: 'offer-2', strategies: ['punch'], target: target(endpoints(5), []) })
    expect(fakes.of('punch').map(({ isStopped }) => isStopped)).toEqual([true, false])
    expect(fakes.of('answer')).toHaveLength(1)
    send(gathered(0, 2))
    expect(fakes.last('answer').input).toMatchObject({ offerId: 'offer-2', punch: [punchRecord(2)] })
  })
})

describe('a cancelled attempt', () => {
  it('gives every candidate its outcome and stops everything', async () => {
    const { resolve, changed, secured, send, output, context, fakes, clock } = start(attemptInput())
    await resolve()
    clock.increment(offerGraceMs)
    changed('direct-1', 'dialling')
    changed('direct-2', 'failed')
    secured('direct-3')
    send({ type: 'attempt.cancel', failure: cancellation })
    expect(Object.values(context().candidates).map(({ status }) => status)).toEqual(['cancelled', 'failed', 'lost'])
    expect(output()).toEqual({ ok: false, failure: cancellation })
    expect(fakes.calls.filter(({ src, isStopped }) => src !== 'resolvePeer' && !isStopped)).toEqual([])
  })

  it('ends while the peer is still being resolved', () => {
    const { send, output, fakes } = start(attemptInput())
    send({ type: 'attempt.cancel', failure: cancellation })
    expect(output()).toEqual({ ok: false, failure: cancellation })
    expect(fakes.last('resolvePeer').isStopped).toBe(true)
  })
})
