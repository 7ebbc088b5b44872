import { describe, expect, it, vi } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import { encodeData } from '../../../src/protocol/data-frames.js'
import type { Open } from '../../../src/protocol/frames.js'
import { Session } from '../../../src/streams/session/session.js'
import { WindowPool } from '../../../src/streams/session/window-pool.js'
import { ManualClock } from '../../support/manual-clock.js'
import { channelPairs, newId, WirePeer } from './channels.js'

const { repeatMinMs } = defaults.move

const open = (epoch: number, fields: Partial<Open> = {}): Open =>
  ({ type: 'open', epoch, established: epoch > 1, receivedOffset: 0, maxOffset: 65_536, protocol: '', reason: '', ...fields })

/** A responder's session that has sent six bytes on its first channel, and a hand-driven initiator that never acknowledges them. */
async function sentSix() {
  const clock = new ManualClock()
  const pairs = channelPairs()
  const id = newId()
  const session = new Session({ id, role: 'responder', peerId: 'peer', protocol: '', clock, pool: new WindowPool(0) })
  /** The initiator on the next channel. */
  const move = async (fields: Partial<Open>) => {
    const { client, server } = await pairs()
    session.accept(server, open(session.epoch + 1, fields))
    return new WirePeer(client, id)
  }
  const old = await move({})
  old.channel.send({ type: 'ack', receivedOffset: 0, maxOffset: 65_536 })
  session.write(Buffer.from('before'), () => {})
  await old.until(() => (textOf(old) === 'before' ? true : undefined))
  return { clock, session, old, move }
}

const data = (offset: number, text: string): Buffer => encodeData([Buffer.from(text)], text.length, offset)
const textOf = (peer: WirePeer): string => Buffer.concat(peer.frames.flatMap(frame => (frame.type === 'data' ? [frame.bytes] : []))).toString()
const awaitText = (peer: WirePeer, text: string) => peer.until(() => (textOf(peer) === text ? true : undefined))

describe('a session that moves while its old channel works', () => {
  it('leaves to that what it was given, and sends the rest on the new one', async () => {
    const { session, move } = await sentSix()
    const peer = await move({ reason: 'repath' })
    session.write(Buffer.from(', after'), () => {})
    await awaitText(peer, ', after')
    expect(peer.frames.find(({ type }) => type === 'data')).toMatchObject({ offset: 6 })
  })

  it('sends it again on the new one when it is not acknowledged in time', async () => {
    const { clock, session, move } = await sentSix()
    const peer = await move({ reason: 'repath' })
    session.write(Buffer.from(', after'), () => {})
    await awaitText(peer, ', after')
    peer.channel.send({ type: 'ack', receivedOffset: 2, maxOffset: 65_536 })
    peer.channel.send({ type: 'ping', token: 1 })
    await peer.frame('pong')
    clock.advance(10 * repeatMinMs)
    await awaitText(peer, ', afterfore')
  })

  it('sends nothing again that was acknowledged', async () => {
    const { clock, session, move } = await sentSix()
    const peer = await move({ reason: 'repath' })
    peer.channel.send({ type: 'ack', receivedOffset: 6, maxOffset: 65_536 })
    peer.channel.send({ type: 'ping', token: 1 })
    await peer.frame('pong')
    clock.advance(10 * repeatMinMs)
    session.write(Buffer.from('after'), () => {})
    await awaitText(peer, 'after')
  })

  it('takes what the new channel brings ahead of the old one', async () => {
    const { clock, session, old, move } = await sentSix()
    const peer = await move({ reason: 'repath' })
    peer.channel.write(data(4, 'new'))
    peer.channel.send({ type: 'fin', offset: 7 })
    peer.channel.send({ type: 'ping', token: 1 })
    await peer.frame('pong')
    expect(session.bytesIn).toBe(0)
    old.channel.write(data(0, 'old '))
    await vi.waitFor(() => expect(session.bytesIn).toBe(7), { interval: 5, timeout: 5_000 })
    clock.advance(1_000)
    await peer.until(() => peer.frames.find(frame => frame.type === 'ack' && frame.receivedOffset === 8))
  })
})

describe('a session that recovers', () => {
  it('sends at once what was not acknowledged', async () => {
    const { move } = await sentSix()
    await awaitText(await move({ reason: 'recovery', receivedOffset: 1 }), 'efore')
  })
})
