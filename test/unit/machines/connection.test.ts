import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { connectionMachine } from '../../../machines/connection/connection.machine.js'
import type { ConnectionInput, ReceivedOffer } from '../../../machines/connection/connection.types.js'
import type { Strategy } from '../../../machines/strategies.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { attemptInput, cancellation, endpoints, policy, record, refusal, responderInput, target } from '../../support/machines/samples.js'

const { pendingGraceMs, authorizeTimeoutMs } = policy.attempt

const offer = (offerId: string, strategies: readonly Strategy[] = ['direct', 'reverse']): ReceivedOffer => ({ offerId, attemptId: '22', strategies, target: target(endpoints(1), []) })

function start(fields: Partial<ConnectionInput> = {}) {
  const fakes = new FakeActors()
  const machine = connectionMachine.provide({
    actors: fakes.provide({ promises: ['authorize', 'acceptOpen', 'refuse'], callbacks: ['tellPending', 'attempt', 'pipeSession'] }),
  })
  const running = run(machine, { role: 'responder', sessionKey: 'k', peerId: 'peer', protocol: '', attempt: responderInput(), ...fields })
  const send = (event: AnyEventObject) => running.actor.send(event)
  const finish = async (src: string, output: object) => {
    fakes.last(src).resolve(output)
    await settled()
  }
  const authorise = (...strategies: Strategy[]) => finish('authorize', { ok: true, strategies })
  const value = () => running.actor.getSnapshot().value as unknown
  return { ...running, fakes, send, finish, authorise, value }
}

describe('a responder’s connection', () => {
  it('attempts nothing before the application has answered', async () => {
    const { fakes, authorise } = start({ offer: offer('offer-1') })
    expect(fakes.calls.map(({ src }) => src)).toEqual(['authorize'])
    await authorise('direct', 'reverse')
    expect(fakes.last('attempt').input).toMatchObject({ offerId: 'offer-1', strategies: ['direct', 'reverse'] })
  })

  it.each([['before', 0], ['after', pendingGraceMs]])('tells an OPEN that comes %s the grace is over that the answer takes a while', (_when, atMs) => {
    const { clock, send, fakes } = start({ offer: offer('offer-1') })
    clock.increment(atMs)
    send({ type: 'open.received', channelId: 'channel-1' })
    clock.increment(pendingGraceMs - atMs)
    expect(fakes.of('tellPending').map(({ input }) => input)).toMatchObject([{ channelId: 'channel-1' }])
  })

  it('tells every further OPEN so', () => {
    const { clock, send, fakes } = start({ channelId: 'channel-1' })
    clock.increment(pendingGraceMs)
    send({ type: 'open.received', channelId: 'channel-2' })
    expect(fakes.of('tellPending').map(({ input }) => (input as { channelId: string }).channelId)).toEqual(['channel-1', 'channel-2'])
  })

  it('keeps later offers to what was authorised once', async () => {
    const { fakes, send, authorise } = start({ offer: offer('offer-1') })
    await authorise('direct')
    expect(fakes.last('attempt').input).toMatchObject({ strategies: ['direct'] })
    send({ type: 'offer.received', offer: offer('offer-2', ['reverse']) })
    expect(fakes.last('attempt').received).toEqual([])
    send({ type: 'offer.received', offer: offer('offer-3') })
    expect(fakes.last('attempt').received).toMatchObject([{ type: 'offer.repeated', offerId: 'offer-3', strategies: ['direct'] }])
  })

  it('starts from the latest offer that came while the application thought', async () => {
    const { fakes, send, authorise } = start({ offer: offer('offer-1', ['direct']) })
    send({ type: 'offer.received', offer: offer('offer-2', ['reverse']) })
    await authorise('direct', 'reverse')
    expect(fakes.last('attempt').input).toMatchObject({ offerId: 'offer-2', strategies: ['reverse'] })
  })

  it.each([['an offer', { offer: offer('offer-1') }], ['an OPEN', { channelId: 'channel-1' }]])('refuses %s when no strategy is allowed', async (_what, fields) => {
    const { fakes, authorise } = start(fields)
    await authorise()
    expect(fakes.last('refuse').input).toMatchObject({ failure: { code: 'ERR_REFUSED' } })
  })

  it('refuses when the application does not answer in time', () => {
    const { clock, fakes, value } = start({ channelId: 'channel-1' })
    clock.increment(authorizeTimeoutMs)
    expect(value()).toBe('refusing')
    expect(fakes.last('refuse').input).toMatchObject({ channelId: 'channel-1', failure: { code: 'ERR_REFUSED' } })
  })

  it('asks no further when the peer withdraws its offer meanwhile', () => {
    const { send, value, fakes } = start({ offer: offer('offer-1') })
    send({ type: 'peer.cancelled', failure: cancellation })
    expect(value()).toBe('failed')
    expect(fakes.last('authorize').isStopped).toBe(true)
  })

  it('waits for the next OPEN when the channel of the first broke meanwhile, without asking again', async () => {
    const { fakes, send, authorise, finish, value } = start({ channelId: 'channel-1' })
    await authorise('direct', 'reverse')
    await finish('acceptOpen', { ok: false, failure: { code: 'ERR_CHANNEL_LOST', message: 'gone' } })
    expect(value()).toBe('attempting')
    send({ type: 'open.received', channelId: 'channel-2' })
    await finish('acceptOpen', { ok: true })
    expect(value()).toEqual({ connected: 'steady' })
    expect(fakes.of('authorize')).toHaveLength(1)
  })

  it('accepts the later of two OPENs', async () => {
    const { fakes, send, authorise, finish } = start({ channelId: 'channel-1' })
    await authorise('direct')
    send({ type: 'open.received', channelId: 'channel-2' })
    expect(fakes.of('acceptOpen').map(({ input }) => (input as { channelId: string }).channelId)).toEqual(['channel-1', 'channel-2'])
    await finish('acceptOpen', { ok: true })
    expect(fakes.of('pipeSession')).toHaveLength(1)
  })

  it('refuses with the code of the handler', async () => {
    const { fakes, authorise, finish, actor } = start({ channelId: 'channel-1' })
    await authorise('direct')
    await finish('acceptOpen', { ok: false, failure: { code: 'ERR_BUSY', message: 'busy' } })
    expect(fakes.last('refuse').input).toMatchObject({ channelId: 'channel-1', failure: { code: 'ERR_BUSY' } })
    await finish('refuse', {})
    expect(actor.getSnapshot().output).toMatchObject({ failure: { code: 'ERR_BUSY' } })
  })

  it('hands later OPENs to the pipe once it is open', async () => {
    const { fakes, send, authorise, finish } = start({ channelId: 'channel-1' })
    await authorise('direct')
    await finish('acceptOpen', { ok: true })
    send({ type: 'open.received', channelId: 'channel-2' })
    expect(fakes.last('pipeSession').received).toEqual([{ type: 'open.received', channelId: 'channel-2' }])
  })
})

describe('an initiator’s connection', () => {
  const initiator = { role: 'initiator', peerId: undefined, attempt: attemptInput() } as const

  it('attempts at once and hands it the channels that arrive', () => {
    const { fakes, send } = start(initiator)
    const arrived = { type: 'channel.arrived', channelId: 'channel-1', candidate: record('inbound-1', 'secured') }
    send(arrived)
    expect(fakes.last('attempt').received).toEqual([arrived])
  })

  it('ends everything when it is cancelled', () => {
    const { fakes, send, actor } = start(initiator)
    send({ type: 'connection.cancel', failure: refusal })
    expect(actor.getSnapshot().output).toEqual({ failure: refusal })
    expect(fakes.last('attempt').isStopped).toBe(true)
  })
})
