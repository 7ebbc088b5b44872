import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { ThroughlineError } from '../../errors/index.js'
import type { Pipe } from '../../node/types.js'
import type { Command, CommandContext } from '../context.js'
import { roundMs, showMs } from '../describe.js'
import { dialPeer } from '../dial-peer.js'
import { pause } from '../interrupt.js'
import { untilOver } from '../until-over.js'

const pingProtocol = 'tl/ping/1'
const pingBytes = 8
const intervalMs = 1_000
const defaultCount = 4

/** `throughline ping PEER [-c N]`: each ping is eight random bytes that come back. */
export const ping: Command = async context => {
  const node = await context.openNode({ inbound: false })
  const { pipe, attempt, watch } = await dialPeer(context, node, context.words[0] ?? '', { protocol: pingProtocol })
  const times: number[] = []
  const verdict = () => ({ verdict: attempt.report().verdict })
  // The verdict goes with `closed`: what the slower candidates came to is known by then.
  const withVerdict = { ...watch, closed: (code?: Parameters<typeof watch.closed>[0]) => watch.closed(code, verdict()) }
  try {
    return await untilOver(context, withVerdict, pingAll(context, pipe, times))
  } finally {
    summarise(context, times, verdict().verdict)
  }
}

async function pingAll({ settings, output, signal }: CommandContext, pipe: Pipe, times: number[]): Promise<void> {
  const count = settings.count ?? defaultCount
  for (let seq = 1; count === 0 || seq <= count; seq++) {
    const startedAtMs = performance.now()
    const rttMs = await pingOnce(pipe)
    times.push(rttMs)
    const { strategy, scope, local, remote } = pipe.path
    output.event('pong', { session: pipe.session, seq, rttMs: roundMs(rttMs), strategy, scope, local, remote })
    output.print(`pong ${seq}: ${showMs(rttMs)}, ${strategy}, ${scope}, ${local} → ${remote}`)
    if (seq !== count) await pause(startedAtMs + intervalMs - performance.now(), signal)
    if (signal.aborted) return never()
  }
  await pipe.close()
}

/** A round trip in milliseconds. Rejects when the pipe ends, or other bytes come back. */
async function pingOnce(pipe: Pipe): Promise<number> {
  const sent = randomBytes(pingBytes)
  const startedAtMs = performance.now()
  pipe.write(sent)
  const received = await readExactly(pipe, pingBytes)
  if (!sent.equals(received)) throw new ThroughlineError('ERR_PROTOCOL_VIOLATION', 'the peer answered a ping with other bytes')
  return performance.now() - startedAtMs
}

async function readExactly(pipe: Pipe, length: number): Promise<Buffer> {
  for (;;) {
    if (pipe.errored !== null) throw pipe.errored
    if (pipe.readableEnded || pipe.destroyed) throw new ThroughlineError('ERR_CONNECTION_LOST', 'the peer ended the pipe before it answered a ping')
    const bytes = pipe.read(length) as Buffer | null
    if (bytes !== null && bytes.length === length) return bytes
    const settled = new AbortController()
    await Promise.race(['readable', 'end', 'close'].map(event => once(pipe, event, { signal: settled.signal }))).finally(() => settled.abort())
  }
}

/** The signal ends the pipe; this work is over with it. */
const never = (): Promise<void> => new Promise(() => {})

function summarise({ output }: CommandContext, times: readonly number[], { text, advice }: { text: string; advice: string }): void {
  if (times.length > 0) {
    const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
    output.print(`${times.length} came back; fastest ${showMs(Math.min(...times))}, mean ${showMs(mean)}, slowest ${showMs(Math.max(...times))}`)
  }
  if (text !== '') output.print(text)
  if (advice !== '') output.print(advice)
}
