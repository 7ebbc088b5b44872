import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { connectionMachine } from '../../../machines/connection/connection.machine.js'
import type { ConnectionInput, ReceivedOffer } from '../../../machines/connection/connection.types.js'
import type { Strategy } from '../../../machines/strategies.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { attemptInput, cancellation, endpoints, failure, peerId, policy, record, responderInput, target } from '../../support/machines/samples.js'

const { pauseMs, upgradeFirstMs, upgradeNextMs, lookUpEvery } = policy.recovery
const unknown = { code: 'ERR_SESSION_UNKNOWN', message: 'restarted' } as const
const suspended = { type: 'session.suspended', failure: { code: 'ERR_CONNECTION_LOST', message: 'broke' }, isClosedByPeer: false }

const offer = (attemptId: string, strategies: readonly Strategy[] = ['direct', 'reverse']): ReceivedOffer => ({ offerId: `offer-${attemptId}`, attemptId, strategies, target: target(endpoints(1), []) })

function start(input: Partial<ConnectionInput>) {
  const fakes = new FakeActors()
  const asked: unknown[] = []
  const endedSearches: unknown[] = []
  const machine = connectionMachine.provide({
    actors: fakes.provide({ promises: ['attempt', 'search', 'pipeSession', 'acceptOpen'], callbacks: ['quicken', 'askForPath'] }),
    actions: { askForPath: (_: unknown, params: unknown) => void asked.push(params), endChannels: () => {} },
  })
  const running = run(machine, { role: 'initiator', sessionKey: 'k', peerId, protocol: '', attempt: attemptInput(), ...input })
  running.actor.on('search.ended', (ended: unknown) => void endedSearches.push(ended))
  const send = (event: AnyEventObject) => running.actor.send(event)
  const finish = async (src: string, output: object) => {
    fakes.last(src).resolve(output)
    await settled()
  }
  const found = (strategy: string) => ({ ok: true, peerId, channelId: 'channel-2', candidate: record(`${strategy}-1`, 'elected', { strategy: strategy as Strategy }), target: target() })
  const value = () => running.actor.getSnapshot().value as unknown
  return { ...running, fakes, asked, endedSearches, send, finish, found, value }
}

async function initiator(strategy = 'direct') {
  const scene = start({ attempt: attemptInput({ strategies: ['direct', 'reverse', 'relay'] }) })
  await scene.finish('attempt', scene.found(strategy))
  expect(scene.value()).toEqual({ connected: 'steady' })
  return scene
}

const responder = () => start({ role: 'responder', isAccepted: true, allowed: ['direct', 'reverse'], attempt: responderInput() })

describe('an initiator whose path is silent', () => {
  it('looks for another by all strategies of the dial, while the brokers are looked after', async () => {
    const { send, fakes, value } = await initiator()
    send({ type: 'session.suspected' })
    expect(value()).toEqual({ recovering: 'searching' })
    expect(fakes.last('search').input).toMatchObject({ reason: 'recovery', strategies: ['direct', 'reverse', 'relay'], target: { peerId } })
    expect(fakes.last('quicken').isStopped).toBe(false)
  })

  it('stops when it speaks again', async () => {
    const { send, fakes, value } = await initiator()
    send({ type: 'session.suspected' })
    send({ type: 'session.trusted' })
    expect(value()).toEqual({ connected: 'steady' })
    expect([fakes.last('search').isStopped, fakes.last('quicken').isStopped]).toEqual([true, true])
  })

  it('starts no second pipe session', async () => {
    const { send, fakes } = await initiator()
    send({ type: 'session.suspected' })
    send({ type: 'session.trusted' })
    expect(fakes.of('pipeSession')).toHaveLength(1)
  })
})

describe('an initiator without a path', () => {
  it('tries again after a pause, as long as its session waits, and looks the peer up anew now and then', async () => {
    const { send, fakes, finish, clock } = await initiator()
    send(suspended)
    for (let searches = 1; searches <= lookUpEvery + 1; searches += 1) {
      expect(fakes.of('search')).toHaveLength(searches)
      const { target: known } = fakes.last('search').input as { target: unknown }
      expect(known === undefined).toBe(searches === lookUpEvery + 1)
      await finish('search', { ok: false, failure })
      clock.increment(pauseMs)
    }
  })

  it('is connected again when a search ends well, and knows the new path', async () => {
    const { send, finish, found, value, actor } = await initiator()
    send(suspended)
    await finish('search', found('reverse'))
    expect(value()).toEqual({ connected: 'steady' })
    expect(actor.getSnapshot().context).toMatchObject({ elected: { strategy: 'reverse' }, searches: 0 })
  })

  it('gives up when the peer does not know the pipe', async () => {
    const { send, fakes, finish, value } = await initiator()
    send(suspended)
    await finish('search', { ok: false, failure: unknown })
    await finish('pipeSession', { failure: unknown })
    expect(fakes.of('search')).toHaveLength(1)
    expect(value()).toBe('failed')
  })

  it('fails when its session has waited long enough', async () => {
    const { send, finish, value, actor } = await initiator()
    send(suspended)
    await finish('pipeSession', { failure: suspended.failure })
    expect(value()).toBe('failed')
    expect(actor.getSnapshot().output).toEqual({ failure: suspended.failure })
  })

  it('begins anew at once when addresses come or go', async () => {
    const { send, fakes, finish } = await initiator()
    send(suspended)
    await finish('search', { ok: false, failure })
    send({ type: 'network.changed' })
    expect(fakes.of('search')).toHaveLength(2)
  })
})

describe('a pipe by relay', () => {
  it('looks for a better path at once, then less and less often, and keeps to what is better', async () => {
    const { fakes, finish, found, clock, value } = await initiator('relay')
    clock.increment(upgradeFirstMs)
    expect(fakes.last('search').input).toMatchObject({ reason: 'upgrade', strategies: ['direct', 'reverse'] })
    await finish('search', { ok: false, failure })
    clock.increment(upgradeNextMs - 1)
    expect(fakes.of('search')).toHaveLength(1)
    clock.increment(1)
    await finish('search', found('direct'))
    expect(value()).toEqual({ connected: 'steady' })
    clock.increment(10 * upgradeNextMs)
    expect(fakes.of('search')).toHaveLength(2)
  })

  it('stays where the application has moved it', async () => {
    const { fakes, finish, found, clock, send } = await initiator('direct')
    send({ type: 'path.requested', strategies: ['relay'], requestId: 'repath-1' })
    await finish('search', found('relay'))
    clock.increment(10 * upgradeNextMs)
    expect(fakes.of('search')).toHaveLength(1)
  })
})

describe('a path that is asked for', () => {
  it('is searched for by the strategies named, and the outcome told', async () => {
    const { send, fakes, finish, endedSearches } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    expect(fakes.last('search').input).toMatchObject({ reason: 'repath', strategies: ['reverse'] })
    await finish('search', { ok: false, failure })
    expect(endedSearches).toEqual([{ type: 'search.ended', requestId: 'repath-1', failure }])
  })

  it('takes the place of an earlier wish', async () => {
    const { send, fakes, endedSearches } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    send({ type: 'path.requested', strategies: ['direct'], requestId: 'repath-2' })
    expect(fakes.of('search').map(({ isStopped }) => isStopped)).toEqual([true, false])
    expect(endedSearches).toMatchObject([{ requestId: 'repath-1', failure: { code: 'ERR_SUPERSEDED' } }])
  })

  it('by the peer, without a strategy, is a recovery', async () => {
    const { send, fakes } = await initiator()
    send({ type: 'path.wanted', strategies: [] })
    expect(fakes.last('search').input).toMatchObject({ reason: 'recovery', strategies: ['direct', 'reverse', 'relay'] })
  })

  it('is what a responder asks its initiator for', () => {
    const { send, asked, fakes } = responder()
    send({ type: 'path.requested', strategies: ['direct'], requestId: 'repath-1' })
    expect(asked).toEqual([{ sessionKey: 'k', strategies: ['direct'] }])
    expect(fakes.of('search')).toEqual([])
  })
})

describe('a responder', () => {
  it('answers an offer for its pipe with an attempt, and is done when the pipe has moved', () => {
    const { send, fakes, value } = responder()
    send({ type: 'offer.received', offer: offer('33') })
    expect(fakes.last('search').input).toMatchObject({ attempt: { role: 'responder', attemptId: '33', offerId: 'offer-33' } })
    send({ type: 'session.moved' })
    expect(value()).toEqual({ connected: 'steady' })
    expect(fakes.last('search').isStopped).toBe(true)
  })

  it('answers nothing it may not', () => {
    const { send, fakes } = responder()
    send({ type: 'offer.received', offer: offer('33', ['punch']) })
    expect(fakes.of('search')).toEqual([])
  })

  it('without a path asks for one until an offer or an OPEN comes', () => {
    const { send, fakes, value } = responder()
    send(suspended)
    expect(value()).toEqual({ recovering: 'awaitingPeer' })
    expect(fakes.last('askForPath').isStopped).toBe(false)
    send({ type: 'offer.received', offer: offer('33') })
    expect(value()).toEqual({ recovering: 'searching' })
    expect(fakes.last('askForPath').isStopped).toBe(true)
    send({ type: 'session.moved' })
    expect(value()).toEqual({ connected: 'steady' })
  })

  it('is told when the initiator has given up', async () => {
    const { send, finish, value } = responder()
    send(suspended)
    send({ type: 'peer.cancelled', failure: cancellation })
    await finish('pipeSession', { failure: cancellation })
    expect(value()).toBe('failed')
  })
})
