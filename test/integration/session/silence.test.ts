import { describe, expect, it, vi } from 'vitest'
import { Session } from '../../../src/streams/session/session.js'
import type { SessionEvent } from '../../../src/streams/session/types.js'
import { WindowPool } from '../../../src/streams/session/window-pool.js'
import { ManualClock } from '../../support/manual-clock.js'
import { channelPairs, newId, WirePeer } from './channels.js'

/** A responder's session on a clock of ours, and a hand-driven initiator. */
async function silentPeer() {
  const clock = new ManualClock()
  const { client, server } = await channelPairs()()
  const id = newId()
  const session = new Session({ id, role: 'responder', peerId: 'peer', protocol: '', clock, pool: new WindowPool(0) })
  const events: SessionEvent[] = []
  session.events$.subscribe(event => events.push(event))
  const peer = new WirePeer(client, id)
  session.accept(server, { type: 'open', epoch: 1, established: false, receivedOffset: 0, maxOffset: 65_536, protocol: '', reason: '' })
  await peer.frame('accept')
  const pings = () => peer.frames.filter(({ type }) => type === 'ping').length
  /** Waits until so many PINGs have come. */
  const pinged = (count: number) => peer.until(() => (pings() >= count ? true : undefined))
  /** Sends a frame and waits until the session has seen it. */
  const say = async (token: number) => {
    peer.channel.send({ type: 'ping', token })
    await peer.until(() => peer.frames.find(frame => frame.type === 'pong' && frame.token === token))
  }
  return { clock, session, events, peer, pings, pinged, say }
}

describe('a silent peer', () => {
  it('is asked after 20 s while the pipe is idle', async () => {
    const { clock, pings, pinged, say } = await silentPeer()
    clock.advance(19_999)
    await say(1)
    expect(pings()).toBe(0)
    clock.advance(20_000)
    await pinged(1)
  })

  it('is asked after 300 ms while bytes are under way, again when that makes it suspect, then each second', async () => {
    const { clock, session, peer, pings, pinged } = await silentPeer()
    session.write(Buffer.from('data'), () => {})
    await peer.frame('data')
    clock.advance(300)
    await pinged(1)
    clock.advance(700)
    await pinged(2)
    clock.advance(999)
    session.write(Buffer.from('more'), () => {})
    await peer.until(() => (peer.received.length === 8 ? true : undefined))
    expect(pings()).toBe(2)
  })

  it('is given up 15 s after the first unanswered PING', async () => {
    const { clock, session, events, peer, pinged } = await silentPeer()
    session.write(Buffer.from('data'), () => {})
    await peer.frame('data')
    clock.advance(300)
    await pinged(1)
    clock.advance(14_999)
    expect(events).toEqual([{ type: 'session.suspected' }])
    clock.advance(1)
    expect(events.slice(1)).toMatchObject([{ type: 'session.lost', failure: { code: 'ERR_PIPE_SILENT' } }])
    expect(await peer.ended()).toBe('ended')
  })

  it('that answers in time is not given up', async () => {
    const { clock, events, peer, pinged, say } = await silentPeer()
    for (let round = 1; round <= 3; round++) {
      clock.advance(20_000)
      await pinged(round)
      const ping = peer.frames.filter(frame => frame.type === 'ping').at(-1)
      if (ping?.type === 'ping') peer.channel.send({ type: 'pong', token: ping.token })
      await say(round)
    }
    expect(events).toEqual([])
  })

  it('leaves no timer behind when the pipe is over', async () => {
    const { clock, session } = await silentPeer()
    session.close(undefined)
    expect(clock.pending).toBe(0)
  })
})

describe('a channel that ends before the initiator has shown that it knows of ACCEPT', () => {
  it('is waited for 10 s', async () => {
    const { clock, session, events, peer } = await silentPeer()
    peer.channel.end()
    expect(await peer.ended()).toBe('ended')
    await vi.waitFor(() => expect(session.channel?.isOpen).toBe(false))
    clock.advance(9_999)
    expect(events).toEqual([])
    clock.advance(1)
    expect(events).toMatchObject([{ type: 'session.lost', failure: { code: 'ERR_CONNECTION_LOST' } }])
  })
})
