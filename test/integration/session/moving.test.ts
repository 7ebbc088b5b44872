import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import type { SessionPipe } from '../../../src/streams/pipe/session-pipe.js'
import { awaitOpen, openSession } from './sessions.js'

const mib = 1_024 ** 2

/** Writes random bytes and ends; resolves to their digest. */
async function send(pipe: SessionPipe, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  for (let sent = 0; sent < bytes; ) {
    const chunk = randomBytes(1 + Math.floor(Math.random() * 100_000))
    sent += chunk.length
    hash.update(chunk)
    if (!pipe.write(chunk)) await once(pipe, 'drain')
  }
  pipe.end()
  return hash.digest('hex')
}

async function receive(pipe: SessionPipe): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of pipe) hash.update(chunk)
  return hash.digest('hex')
}

describe('a pipe that moves under load', () => {
  it('loses and doubles nothing in either direction, over four channels', async () => {
    const { initiator, responder, move } = await openSession({ poolBytes: 8 * mib })
    const sent = Promise.all([send(initiator.pipe, 24 * mib), send(responder.pipe, 24 * mib)])
    const received = Promise.all([receive(responder.pipe), receive(initiator.pipe)])
    for (const epoch of [2, 3, 4]) {
      const before = responder.session.bytesIn
      await vi.waitFor(() => expect(responder.session.bytesIn).toBeGreaterThan(before + mib), { interval: 1, timeout: 10_000 })
      expect(await move()).toMatchObject({ told: { type: 'open.accepted' } })
      expect([initiator.session.epoch, responder.session.epoch]).toEqual([epoch, epoch])
    }
    expect(await received).toEqual(await sent)
  })

  it('survives that the old channel breaks at that moment', async () => {
    const { initiator, responder, nextChannels } = await openSession({ poolBytes: 8 * mib })
    const old = initiator.session.channel
    const sent = Promise.all([send(initiator.pipe, 8 * mib), send(responder.pipe, 8 * mib)])
    const received = Promise.all([receive(responder.pipe), receive(initiator.pipe)])
    await vi.waitFor(() => expect(responder.session.bytesIn).toBeGreaterThan(mib), { interval: 1 })
    const { client, server } = await nextChannels()
    const told = new Promise(resolve => initiator.session.open(client, { reason: 'dial' }).subscribe(resolve))
    const open = await awaitOpen(server)
    responder.session.accept(server, open)
    old?.destroy()
    expect(await told).toEqual({ type: 'open.accepted' })
    expect(await received).toEqual(await sent)
  })

  it('ends the old channel by FIN', async () => {
    const { initiator, responder, move } = await openSession()
    const [ours, theirs] = [initiator.session.channel, responder.session.channel]
    await move()
    await vi.waitFor(() => expect([ours?.isOpen, theirs?.isOpen]).toEqual([false, false]), { interval: 5 })
    expect(initiator.session.channel).not.toBe(ours)
    expect(initiator.events).toEqual([{ type: 'session.moved' }])
  })
})

describe('an OPEN that comes to nothing', () => {
  it('leaves the pipe on the channel it has', async () => {
    const { initiator, responder, nextChannels } = await openSession()
    const { client, server } = await nextChannels()
    const told = new Promise(resolve => initiator.session.open(client, { reason: 'dial' }).subscribe(resolve))
    await awaitOpen(server)
    server.destroy()
    expect(await told).toMatchObject({ type: 'open.lost' })
    initiator.pipe.end('still the old one')
    responder.pipe.end()
    expect(Buffer.concat(await responder.pipe.toArray()).toString()).toBe('still the old one')
  })

  it('is told as lost when the pipe closes meanwhile', async () => {
    const { initiator, nextChannels } = await openSession()
    const { client } = await nextChannels()
    const told = new Promise(resolve => initiator.session.open(client, { reason: 'dial' }).subscribe(resolve))
    initiator.pipe.abort('ERR_BUSY')
    expect(await told).toMatchObject({ type: 'open.lost' })
    expect(client.isOpen).toBe(false)
  })
})

describe('first bytes', () => {
  it('are not sent again on the same channel, and once on the next', async () => {
    const { initiator, responder, move } = await openSession({ firstBytes: Buffer.from('first ') })
    await move()
    initiator.pipe.end('rest')
    expect(Buffer.concat(await responder.pipe.toArray()).toString()).toBe('first rest')
    expect(initiator.session.bytesOut).toBe(10)
  })
})
