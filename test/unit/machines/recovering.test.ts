import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { connectionMachine } from '../../../machines/connection/connection.machine.js'
import type { ConnectionInput, ReceivedOffer } from '../../../machines/connection/connection.types.js'
import type { Failure } from '../../../src/errors/index.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { attemptInput, endpoints, failure, peerId, policy, record, responderInput, target } from '../../support/machines/samples.js'

const { recovery } = policy
const suspended = { type: 'session.suspended', failure: { code: 'ERR_CONNECTION_LOST', message: 'broke' }, isClosedByPeer: false }
const found = (strategy = 'direct') => ({ ok: true, peerId, channelId: 'channel-2', candidate: record(`${strategy}-1`, 'elected'), target: target() })
const nothing = (code: Failure['code'] = 'ERR_NO_PATH') => ({ ok: false, failure: { code, message: 'none' } })
const offer = (attemptId: string): ReceivedOffer => ({ offerId: `offer-${attemptId}`, attemptId, strategies: ['direct', 'reverse'], target: target(endpoints(1), []) })

/** A connection whose pipe is open, with faked actors. */
function open(fields: Partial<ConnectionInput>) {
  const fakes = new FakeActors()
  const ended: string[] = []
  const asked: (readonly string[])[] = []
  const machine = connectionMachine.provide({
    actors: fakes.provide({ promises: ['authorize', 'acceptOpen', 'refuse', 'attempt', 'search'], callbacks: ['tellPending', 'pipeSession', 'quicken', 'askForPath'] }),
    actions: {
      endChannels: (_: unknown, { sessionKey }: { sessionKey: string }) => void ended.push(sessionKey),
      askForPath: (_: unknown, { strategies }: { strategies: readonly string[] }) => void asked.push(strategies),
    },
  })
  const running = run(machine, { role: 'responder', sessionKey: 'k', peerId, protocol: '', attempt: responderInput(), ...fields })
  const emitted: AnyEventObject[] = []
  running.actor.on('search.ended', event => emitted.push(event))
  const send = (event: AnyEventObject) => running.actor.send(event)
  const finish = async (src: string, output: object) => {
    fakes.last(src).resolve(output)
    await settled()
  }
  const value = () => running.actor.getSnapshot().value as unknown
  return { ...running, fakes, ended, asked, emitted, send, finish, value }
}

async function initiator(strategy = 'direct') {
  const one = open({ role: 'initiator', peerId: undefined, attempt: attemptInput() })
  await one.finish('attempt', found(strategy))
  return one
}

const responder = () => open({ isAccepted: true, allowed: ['direct', 'reverse'] })

describe('an initiator whose path is lost', () => {
  it.each([['falls silent', { type: 'session.suspected' }], ['is gone', suspended]])('searches at once when it %s, by what it dialled with', async (_what, event) => {
    const { send, fakes, value } = await initiator()
    send(event)
    expect(value()).toEqual({ recovering: 'searching' })
    expect(fakes.last('search').input).toMatchObject({ reason: 'recovery', strategies: ['direct', 'reverse'] })
    expect(fakes.of('quicken')).toHaveLength(1)
  })

  it('goes on when one is found, and ends what the search has left', async () => {
    const { send, fakes, finish, value, ended } = await initiator()
    send(suspended)
    await finish('search', found('reverse'))
    expect(value()).toEqual({ connected: 'steady' })
    expect(fakes.last('quicken').isStopped).toBe(true)
    expect(ended).toEqual(['k'])
    expect(fakes.of('pipeSession')).toHaveLength(1)
  })

  it('stops searching when the old path answers again', async () => {
    const { send, fakes, value, ended } = await initiator()
    send({ type: 'session.suspected' })
    send({ type: 'session.trusted' })
    expect(value()).toEqual({ connected: 'steady' })
    expect(fakes.last('search').isStopped).toBe(true)
    expect(ended).toEqual(['k'])
  })

  it('goes on searching when the silent path breaks meanwhile', async () => {
    const { send, fakes } = await initiator()
    send({ type: 'session.suspected' })
    send(suspended)
    expect(fakes.of('search')).toHaveLength(1)
  })

  it('tries again and again, and looks the peer up anew now and then', async () => {
    const { send, fakes, finish, clock } = await initiator()
    send(suspended)
    for (let search = 0; search <= recovery.lookUpEvery; search++) {
      await finish('search', nothing())
      clock.increment(recovery.pauseMs)
    }
    const anew = fakes.of('search').map(({ input }) => (input as { target?: object }).target === undefined)
    expect(anew).toEqual([false, false, false, false, true, false])
  })

  it('gives the pipe up when the peer does not know it any more', async () => {
    const { send, fakes, finish } = await initiator()
    send(suspended)
    await finish('search', nothing('ERR_SESSION_UNKNOWN'))
    expect(fakes.last('pipeSession').received).toMatchObject([{ type: 'session.giveUp', failure: { code: 'ERR_SESSION_UNKNOWN' } }])
  })

  it('begins anew at once when its network changes', async () => {
    const { send, fakes } = await initiator()
    send(suspended)
    send({ type: 'network.changed' })
    expect(fakes.of('search').map(({ isStopped }) => isStopped)).toEqual([true, false])
  })

  it('does not pause when the peer asks for a path', async () => {
    const { send, fakes, finish } = await initiator()
    send(suspended)
    await finish('search', nothing())
    send({ type: 'path.wanted', strategies: [] })
    expect(fakes.of('search')).toHaveLength(2)
  })

  it('fails with the pipe', async () => {
    const { send, actor } = await initiator()
    send(suspended)
    send({ type: 'xstate.done.actor.pipeSession', output: { failure } })
    expect(actor.getSnapshot().output).toEqual({ failure })
  })
})

describe('a responder whose path is lost', () => {
  it('asks for one until an offer comes, and answers that', () => {
    const { send, fakes, value } = responder()
    send(suspended)
    expect(value()).toEqual({ recovering: 'awaitingPeer' })
    send({ type: 'offer.received', offer: offer('33') })
    expect(fakes.last('askForPath').isStopped).toBe(true)
    expect(fakes.last('search').input).toMatchObject({ attempt: { offerId: 'offer-33', attemptId: '33', target: { peerId } } })
  })

  it('answers the next attempt when the initiator begins another one', () => {
    const { send, fakes } = responder()
    send(suspended)
    send({ type: 'offer.received', offer: offer('33') })
    send({ type: 'offer.received', offer: offer('44') })
    expect(fakes.of('search').map(({ isStopped }) => isStopped)).toEqual([true, false])
    expect(fakes.last('search').input).toMatchObject({ attempt: { attemptId: '44' } })
  })

  it('takes the OPEN to its pipe, and goes on when that has moved', () => {
    const { send, fakes, value } = responder()
    send(suspended)
    send({ type: 'open.received', channelId: 'channel-2' })
    expect(fakes.last('pipeSession').received).toEqual([{ type: 'open.received', channelId: 'channel-2' }])
    send({ type: 'session.moved' })
    expect(value()).toEqual({ connected: 'steady' })
  })

  it('ends when the initiator has given up', () => {
    const { send, fakes } = responder()
    send(suspended)
    send({ type: 'peer.cancelled', failure })
    expect(fakes.last('pipeSession').received).toEqual([{ type: 'session.giveUp', failure }])
  })
})

describe('an open pipe', () => {
  it('moves where the application wants it, and tells it', async () => {
    const { send, fakes, finish, value, emitted } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    expect(fakes.last('search').input).toMatchObject({ reason: 'repath', strategies: ['reverse'] })
    await finish('search', found('reverse'))
    expect(value()).toEqual({ connected: 'steady' })
    expect(emitted).toEqual([{ type: 'search.ended', requestId: 'repath-1', failure: undefined }])
  })

  it('stays where it is when no other path is found', async () => {
    const { send, finish, value, emitted } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    await finish('search', nothing())
    expect(value()).toEqual({ connected: 'steady' })
    expect(emitted).toMatchObject([{ requestId: 'repath-1', failure: { code: 'ERR_NO_PATH' } }])
  })

  it('tells of a wish that a later one takes the place of', async () => {
    const { send, emitted, fakes } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    send({ type: 'path.requested', strategies: ['direct'], requestId: 'repath-2' })
    expect(emitted).toMatchObject([{ requestId: 'repath-1', failure: { code: 'ERR_SUPERSEDED' } }])
    expect(fakes.last('search').input).toMatchObject({ strategies: ['direct'] })
  })

  it.each([['falls silent', { type: 'session.suspected' }], ['is lost', suspended]])('tells of a wish that is dropped because the path %s meanwhile', async (_what, event) => {
    const { send, emitted, value } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    send(event)
    expect(value()).toEqual({ recovering: 'searching' })
    expect(emitted).toMatchObject([{ requestId: 'repath-1', failure: { code: 'ERR_SUPERSEDED' } }])
  })

  it('has the initiator look for a path when the responder has none left', async () => {
    const { send, fakes } = await initiator()
    send({ type: 'path.wanted', strategies: [] })
    expect(fakes.last('search').input).toMatchObject({ reason: 'recovery', strategies: ['direct', 'reverse'] })
  })

  it('has the initiator look for what the responder wishes, within what was dialled with', async () => {
    const { send, fakes } = await initiator()
    send({ type: 'path.wanted', strategies: ['punch', 'reverse'] })
    expect(fakes.last('search').input).toMatchObject({ reason: 'repath', strategies: ['reverse'] })
  })

  it('of a responder asks the initiator', () => {
    const { send, asked, value } = responder()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    expect(asked).toEqual([['reverse']])
    expect(value()).toEqual({ connected: 'steady' })
  })

  it('of a responder answers an offer for it, and is where it moved to without waiting for its own search', () => {
    const { send, fakes, value } = responder()
    send({ type: 'offer.received', offer: offer('33') })
    expect(fakes.last('search').input).toMatchObject({ attempt: { attemptId: '33' } })
    send({ type: 'session.moved' })
    expect(value()).toEqual({ connected: 'steady' })
    expect(fakes.last('search').isStopped).toBe(true)
  })
})
