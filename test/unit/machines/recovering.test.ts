import { describe, expect, it } from 'vitest'
import type { AnyEventObject } from 'xstate'
import { connectionMachine } from '../../../machines/connection/connection.machine.js'
import type { ConnectionInput, ReceivedOffer } from '../../../machines/connection/connection.types.js'
import type { Failure } from '../../../src/errors/index.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { attemptInput, endpoints, peerId, record, responderInput, target } from '../../support/machines/samples.js'

const suspended = { type: 'session.suspended', failure: { code: 'ERR_CONNECTION_LOST', message: 'broke' }, isClosedByPeer: false }
const found = (strategy = 'direct') => ({ ok: true, peerId, channelId: 'channel-2', candidate: record(`${strategy}-1`, 'elected'), target: target() })
const nothing = (code: Failure['code'] = 'ERR_NO_PATH') => ({ ok: false, failure: { code, message: 'none' } })
const offer = (attemptId: string): ReceivedOffer => ({ offerId: `offer-${attemptId}`, attemptId, strategies: ['direct', 'reverse'], target: target(endpoints(1), []) })

/** A connection whose pipe is open, with faked actors. */
function open(fields: Partial<ConnectionInput>) {
  const fakes = new FakeActors()
  const ended: string[] = []
  const machine = connectionMachine.provide({
    actors: fakes.provide({ promises: ['authorize', 'acceptOpen', 'refuse', 'attempt', 'search'], callbacks: ['tellPending', 'pipeSession', 'quicken', 'askForPath'] }),
    actions: {
      endChannels: (_: unknown, { sessionKey }: { sessionKey: string }) => void ended.push(sessionKey),
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
  return { ...running, fakes, ended, emitted, send, finish, value }
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

  it('goes on searching when the silent path breaks meanwhile', async () => {
    const { send, fakes } = await initiator()
    send({ type: 'session.suspected' })
    send(suspended)
    expect(fakes.of('search')).toHaveLength(1)
  })

  it('does not pause when the peer asks for a path', async () => {
    const { send, fakes, finish } = await initiator()
    send(suspended)
    await finish('search', nothing())
    send({ type: 'path.wanted', strategies: [] })
    expect(fakes.of('search')).toHaveLength(2)
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
})

describe('an open pipe', () => {
  it('stays where it is when no other path is found', async () => {
    const { send, finish, value, emitted } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    await finish('search', nothing())
    expect(value()).toEqual({ connected: 'steady' })
    expect(emitted).toMatchObject([{ requestId: 'repath-1', failure: { code: 'ERR_NO_PATH' } }])
  })

  it.each([['falls silent', { type: 'session.suspected' }], ['is lost', suspended]])('tells of a wish that is dropped because the path %s meanwhile', async (_what, event) => {
    const { send, emitted, value } = await initiator()
    send({ type: 'path.requested', strategies: ['reverse'], requestId: 'repath-1' })
    send(event)
    expect(value()).toEqual({ recovering: 'searching' })
    expect(emitted).toMatchObject([{ requestId: 'repath-1', failure: { code: 'ERR_SUPERSEDED' } }])
  })

  it('has the initiator look for what the responder wishes, within what was dialled with', async () => {
    const { send, fakes } = await initiator()
    send({ type: 'path.wanted', strategies: ['punch', 'reverse'] })
    expect(fakes.last('search').input).toMatchObject({ reason: 'repath', strategies: ['reverse'] })
  })
})
