import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { firstValueFrom } from 'rxjs'
import { serveRequests } from '../../bench/support/requests.js'
import type * as Library from '../../src/index.js'
import type { NetworkSummary, Node, PipePath, Strategy } from '../../src/index.js'
import { createWatch, type Told } from './punch-watch.js'

/** A node in a process of its own, kept warm, that does what the runner asks (punch-stage.ts). Its one argument is where the library is. */
const { ConnectError, createNode, strategyOrder } = (await import(process.argv[2] ?? '')) as typeof Library

export interface NodeSettings {
  /** Of its identity, 32 bytes as hex. */
  readonly seed: string
  readonly mqtt: readonly string[]
  readonly stun: readonly string[]
  /** TURN servers with their users; default: none. */
  readonly turn?: readonly string[]
  /** Whoever dials it is a stranger. */
  readonly isOpen?: boolean
  readonly birthday?: 'auto' | 'off'
  /** Keeps what its machines do, for `told`. Costs some time per event. */
  readonly isWatched?: boolean
}

export interface Dial {
  readonly address: string
  /** Default: all. */
  readonly strategies?: readonly string[] | undefined
  /** The byte travels with OPEN. */
  readonly early?: boolean
  readonly timeoutMs: number
}

/** How one dial went. Times in milliseconds from the call that dials. */
export interface Dialled {
  /** Of the attempt, for `told` on the other side. */
  readonly attempt: string
  /** Milliseconds of the epoch. */
  readonly startedAtMs: number
  /** To the pipe. Undefined where there is none. */
  readonly openedMs?: number
  /** To the first echoed byte, or to the failure. */
  readonly elapsedMs: number
  readonly path?: PipePath
  /** Code and message of the failure. */
  readonly error?: { readonly code: string; readonly message: string }
  readonly verdict?: { readonly code: string; readonly text: string; readonly advice: string }
}

/** What a process holds; `heapBytes` after garbage collection. */
export interface Held {
  readonly heapBytes: number
  readonly descriptors: number
  readonly sockets: number
  readonly timers: number
}

const byte = Buffer.from('.')
const leaveLimitMs = 3_000
/** Beyond the limit of the attempt: for the echo. */
const echoLimitMs = 5_000
const watch = createWatch()
let node: Node | undefined

function running(): Node {
  if (node === undefined) throw new Error('start comes first')
  return node
}

/** Ends both directions, and gives the peer some time to do so. */
async function leave(stream: Duplex): Promise<void> {
  const isLeft = finished(stream.resume().end()).catch(() => {})
  await Promise.race([isLeft, pause(leaveLimitMs, undefined, { ref: false })])
  stream.destroy()
}

/** Dials, waits for one echoed byte, and leaves; begins when the node is warm. */
async function dial({ address, strategies = strategyOrder, early = false, timeoutMs }: Dial): Promise<Dialled> {
  await running().settled()
  const startedAt = performance.now()
  const since = () => performance.now() - startedAt
  const attempt = running().dial(address, { strategies: strategies as readonly Strategy[], timeoutMs, ...(early && { firstBytes: byte }) })
  const facts = { attempt: attempt.report().attempt, startedAtMs: performance.timeOrigin + startedAt }
  let openedMs: number | undefined
  try {
    const pipe = await attempt.pipe
    openedMs = since()
    if (!early) pipe.write(byte)
    await once(pipe, 'data', { signal: AbortSignal.timeout(echoLimitMs) })
    const elapsedMs = since()
    const { path } = pipe
    await leave(pipe)
    return { ...facts, openedMs, elapsedMs, path }
  } catch (error) {
    const failed = { ...facts, elapsedMs: since(), ...(openedMs !== undefined && { openedMs }) }
    if (error instanceof ConnectError) return { ...failed, error: { code: error.code, message: error.message }, verdict: error.verdict }
    return { ...failed, error: { code: 'no echo', message: String(error) } }
  }
}

const methods = {
  /** Makes the node, which echoes; resolves to its id when it is warm. */
  start: async ({ seed, mqtt, stun, turn = [], isOpen = false, birthday, isWatched = false }: NodeSettings): Promise<string> => {
    node = await createNode({
      identity: { seed: Buffer.from(seed, 'hex') }, mqtt, stun, turn, ntp: [], portMapping: false, ...(!isOpen && { allow: 'any' as const }),
      ...(birthday !== undefined && { birthday }), ...(isWatched && { inspect: watch.inspect }),
    })
    node.pipes$.subscribe(pipe => void pipe.on('error', () => {}).pipe(pipe))
    await node.settled()
    return node.id
  },
  /** Resolves to the address, when the node is warm. */
  address: async (): Promise<string> => {
    await running().settled()
    return running().address
  },
  network: (): Promise<NetworkSummary> => firstValueFrom(running().network$),
  dial,
  /** So many dials at once. */
  dialMany: ({ count, ...one }: Dial & { readonly count: number }): Promise<readonly Dialled[]> => Promise.all(Array.from({ length: count }, () => dial(one))),
  /** What the machines of this node did in an attempt; of a watched node. */
  told: (attempt: string): Told => watch.told(attempt),
  /** What this process holds. */
  held: async (): Promise<Held> => {
    const { gc } = globalThis
    if (gc === undefined) throw new Error('start it with --expose-gc')
    for (let round = 0; round < 3; round++) {
      gc()
      await pause(100)
    }
    const resources = process.getActiveResourcesInfo()
    const links = readdirSync('/proc/self/fd').flatMap(name => linkOf(name))
    return {
      heapBytes: process.memoryUsage().heapUsed,
      descriptors: links.length,
      sockets: links.filter(link => link.startsWith('socket:')).length,
      timers: resources.filter(kind => kind === 'Timeout').length,
    }
  },
}
export type NodeMethods = typeof methods

/** None for the one that is open to list the others. */
function linkOf(name: string): readonly string[] {
  try {
    return [readlinkSync(`/proc/self/fd/${name}`)]
  } catch {
    return []
  }
}

serveRequests(methods)
