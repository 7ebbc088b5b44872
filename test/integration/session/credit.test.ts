import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import type { SessionPipe } from '../../../src/streams/pipe/session-pipe.js'
import { openSession } from './sessions.js'

const { baseWindow, maxWindow } = defaults.session
const mib = 1_024 ** 2

/** Writes until the pipe has taken it all; resolves when the last byte is framed. */
async function pour(pipe: SessionPipe, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(64 * 1_024, 1)
  for (let sent = 0; sent < bytes; sent += chunk.length) if (!pipe.write(chunk)) await once(pipe, 'drain')
}

/** Reads until `bytes` have come. */
async function drink(pipe: SessionPipe, bytes: number): Promise<void> {
  let got = 0
  await new Promise<void>(resolve => pipe.on('data', (chunk: Buffer) => (got += chunk.length) >= bytes && resolve()))
}

describe('a reader that does not read', () => {
  it('holds the sender back at the base window and bounds the memory of both', async () => {
    const { initiator, responder } = await openSession()
    void pour(initiator.pipe, 4 * mib).catch(() => {})
    await vi.waitFor(() => expect(responder.session.bytesIn).toBe(baseWindow), { interval: 5 })
    await vi.waitFor(() => expect(initiator.session.acknowledged).toBe(baseWindow), { interval: 5 })
    expect(initiator.session.bytesOut).toBe(baseWindow)
    expect(initiator.pipe.writableLength).toBeLessThanOrEqual(initiator.pipe.writableHighWaterMark)
    expect(responder.pool.lent).toBe(0)
  })

  it('does not stall the other direction', async () => {
    const { initiator, responder } = await openSession()
    void pour(initiator.pipe, 4 * mib).catch(() => {})
    await vi.waitFor(() => expect(responder.session.bytesIn).toBe(baseWindow), { interval: 5 })
    const drunk = drink(initiator.pipe, 2 * mib)
    await pour(responder.pipe, 2 * mib)
    await drunk
    expect(responder.session.bytesIn).toBe(baseWindow)
  })
})

describe('a window', () => {
  it('grows from the pool at full flow and is given back at the end', async () => {
    const { initiator, responder } = await openSession({ poolBytes: 4 * mib })
    let most = 0
    responder.pipe.on('data', () => (most = Math.max(most, responder.pool.lent)))
    await pour(initiator.pipe, 16 * mib)
    const closed = [once(initiator.pipe, 'close'), once(responder.pipe, 'close')]
    initiator.pipe.resume().end()
    responder.pipe.end()
    await Promise.all(closed)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(Math.min(4 * mib, maxWindow))
    expect(responder.pool.lent).toBe(0)
  })

  it('keeps flowing when the pool is used up', async () => {
    const { initiator, responder } = await openSession({ poolBytes: 0 })
    const drunk = drink(responder.pipe, 8 * mib)
    await pour(initiator.pipe, 8 * mib)
    await drunk
    expect(responder.pool.lent).toBe(0)
  })

  it('borrows nothing for bytes that are read after the end', async () => {
    const { initiator, responder } = await openSession({ poolBytes: 4 * mib })
    const whole = new Promise<void>(resolve => initiator.pipe.end(Buffer.alloc(baseWindow), resolve))
    initiator.pipe.resume()
    responder.pipe.end()
    await whole
    await vi.waitFor(() => expect(responder.events.at(-1)).toEqual({ type: 'session.finished' }), { interval: 5 })
    expect(Buffer.concat(await responder.pipe.toArray())).toHaveLength(baseWindow)
    expect(responder.pool.lent).toBe(0)
  })
})

describe('a window of a failed pipe', () => {
  it('goes back to the pool', async () => {
    const { initiator, responder } = await openSession({ poolBytes: 4 * mib })
    const drunk = drink(responder.pipe, 8 * mib)
    void pour(initiator.pipe, 64 * mib).catch(() => {})
    await drunk
    initiator.pipe.abort('ERR_INTERRUPTED')
    await once(responder.pipe, 'close').catch(() => {})
    expect(responder.pool.lent).toBe(0)
  })
})
