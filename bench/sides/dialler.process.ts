import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { serveRequests } from '../support/requests.js'
import { createOpeners, type Opener, type Target, type Transport } from './transports.js'
import { processorMs, settledMemory } from './usage.js'

let openers: Record<Transport, Opener> | undefined
/** Streams of `hold`; bounded by what the runner asks for. */
const held: Duplex[] = []
const oneByte = Buffer.from('.')
const chunk = Buffer.alloc(64 * 1_024, 'throughline')

function openerOf(transport: Transport): Opener {
  if (openers === undefined) throw new Error('start comes first')
  return openers[transport]
}

/** Ends both directions and waits until the other side has ended too. */
async function leave(stream: Duplex): Promise<void> {
  stream.resume().end()
  await finished(stream)
}

/** Runs `work` `count` times, at most `concurrency` at once. */
async function repeat(count: number, concurrency: number, work: () => Promise<void>): Promise<void> {
  let started = 0
  const lane = async () => {
    while (started++ < count) await work()
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
}

const methods = {
  start: async (target: Target): Promise<void> => {
    openers = await createOpeners(target)
  },

  /** From the call that connects to the first byte echoed, ms. `early`: the byte travels as soon as the transport allows. */
  firstByte: async ({ transport, early }: { readonly transport: Transport; readonly early: boolean }): Promise<number> => {
    const open = openerOf(transport)
    const startedAtMs = performance.now()
    const stream = await open('echo', early ? oneByte : undefined)
    if (!early) stream.write(oneByte)
    await once(stream, 'data')
    const elapsedMs = performance.now() - startedAtMs
    await leave(stream)
    return elapsedMs
  },

  /** Opens and leaves streams, unmeasured, so that both processes have compiled what they will run. */
  warmUp: async ({ transport, count, concurrency }: { readonly transport: Transport; readonly count: number; readonly concurrency: number }): Promise<void> => {
    await repeat(count, concurrency, async () => { await methods.firstByte({ transport, early: false }) })
  },

  /** One stream, one direction, 64 KiB writes that honour back-pressure: bytes per second until the sink has them all. */
  throughput: async ({ transport, bytes }: { readonly transport: Transport; readonly bytes: number }): Promise<number> => {
    const stream = await openerOf(transport)('sink')
    const first = Buffer.from(chunk)
    first.writeBigUInt64BE(BigInt(bytes))
    const answered = once(stream, 'data')
    const startedAtMs = performance.now()
    for (let written = 0; written < bytes; written += chunk.length) {
      if (!stream.write(written === 0 ? first : chunk)) await once(stream, 'drain')
    }
    await answered
    const elapsedMs = performance.now() - startedAtMs
    await leave(stream)
    return (bytes / elapsedMs) * 1_000
  },

  /** Opens streams, closing each behind: opened per second. */
  openRate: async ({ transport, count, concurrency }: { readonly transport: Transport; readonly count: number; readonly concurrency: number }): Promise<number> => {
    const open = openerOf(transport)
    const leaving: Promise<void>[] = []
    const startedAtMs = performance.now()
    await repeat(count, concurrency, async () => { leaving.push(leave(await open('echo'))) })
    const elapsedMs = performance.now() - startedAtMs
    await Promise.all(leaving)
    return (count / elapsedMs) * 1_000
  },

  /** Opens streams and keeps them, idle. */
  hold: async ({ transport, count }: { readonly transport: Transport; readonly count: number }): Promise<void> => {
    const open = openerOf(transport)
    await repeat(count, 32, async () => { held.push((await open('echo')).on('error', () => {})) })
  },

  memory: settledMemory,
  processor: processorMs,
}
export type DiallerMethods = typeof methods

serveRequests(methods)
