import { setTimeout as pause } from 'node:timers/promises'
import { filter, firstValueFrom, timeout } from 'rxjs'
import type { InspectionEvent } from 'xstate'
import { serveRequests } from '../../bench/support/requests.js'
import type * as Library from '../../src/index.js'
import type { Node, Pipe, PipePath, Strategy } from '../../src/index.js'
import { Load, type Carried, type Look } from './load.js'

/** A node in a process of its own whose pipes are busy in both directions (recovery-stage.ts). Its one argument is where the library is. */
const { createNode } = (await import(process.argv[2] ?? '')) as typeof Library

export interface RecoveryNodeSettings {
  readonly name: string
  /** Of its identity, 32 bytes as hex. */
  readonly seed: string
  readonly mqtt: readonly string[]
  readonly stun: readonly string[]
  readonly turn?: readonly string[]
  readonly listenPort?: number
  readonly suspendMs?: number
  /** How fast its ends of pipes write; undefined: as fast as the pipe takes it. */
  readonly bytesPerS?: number
}

export interface RecoveryDial {
  readonly address: string
  readonly strategies: readonly string[]
}

/** What a process holds; `heapBytes` after garbage collection. */
export interface Holding {
  readonly heapBytes: number
  readonly resources: Readonly<Record<string, number>>
}

/** THROUGHLINE_TEST_TOLD=1: every machine's states on stderr, to find out where the time goes. */
const isTold = process.env['THROUGHLINE_TEST_TOLD'] === '1'
const lastStates = new WeakMap<object, string>()

function tell(event: InspectionEvent): void {
  if (event.type !== '@xstate.snapshot') return
  const { id } = event.actorRef as unknown as { readonly id: string }
  const state = JSON.stringify((event.snapshot as { readonly value?: unknown }).value)
  if (state === undefined || lastStates.get(event.actorRef) === state) return
  lastStates.set(event.actorRef, state)
  process.stderr.write(`${new Date().toISOString().slice(17, 23)} ${settings.name} ${id} ${state} <- ${event.event.type}\n`)
}

/** On a busy machine a first connect may take its 3 s and be tried again. */
const brokerLimitMs = 20_000
let node: Node | undefined
let settings: RecoveryNodeSettings
/** By session; as many as the runner dials. */
const loads = new Map<string, { readonly pipe: Pipe; readonly load: Load }>()

function running(): Node {
  if (node === undefined) throw new Error('start comes first')
  return node
}

function take(pipe: Pipe): string {
  loads.set(pipe.session, { pipe, load: new Load(pipe, settings.bytesPerS) })
  return pipe.session
}

function of(session: string) {
  const one = loads.get(session)
  if (one === undefined) throw new Error(`no pipe ${session} here`)
  return one
}

const methods = {
  start: async (given: RecoveryNodeSettings): Promise<string> => {
    settings = given
    const { seed, mqtt, stun, turn = [], listenPort, suspendMs } = given
    node = await createNode({
      identity: { seed: Buffer.from(seed, 'hex') }, mqtt, stun, ntp: [], turn, portMapping: false, allow: 'any',
      ...(isTold && { inspect: tell }), ...(listenPort !== undefined && { listenPort }), ...(suspendMs !== undefined && { suspendMs }),
    })
    node.pipes$.subscribe(pipe => void take(pipe))
    await node.settled()
    await firstValueFrom(node.network$.pipe(filter(() => running().degraded.includes('signalling') === false), timeout(brokerLimitMs)))
    return node.id
  },
  address: async (): Promise<string> => {
    await running().settled()
    return running().address
  },
  /** Opens a pipe and begins to write; resolves to its session. */
  dial: async ({ address, strategies }: RecoveryDial): Promise<string> => {
    await running().settled()
    return take(await running().dial(address, { strategies: strategies as readonly Strategy[] }).pipe)
  },
  look: ({ session, sinceMs }: { readonly session: string; readonly sinceMs: number }): Look | undefined => loads.get(session)?.load.look(sinceMs),
  finish: async (session: string): Promise<Carried> => {
    const carried = await of(session).load.finish()
    loads.delete(session)
    return carried
  },
  repath: ({ session, strategies }: { readonly session: string; readonly strategies: readonly string[] }): Promise<PipePath> =>
    of(session).pipe.repath({ strategies: strategies as readonly Strategy[] }),
  held: async (): Promise<Holding> => {
    const { gc } = globalThis
    if (gc === undefined) throw new Error('start it with --expose-gc')
    for (let round = 0; round < 3; round++) {
      gc()
      await pause(100)
    }
    const resources: Record<string, number> = {}
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
    return { heapBytes: process.memoryUsage().heapUsed, resources }
  },
}
export type RecoveryNodeMethods = typeof methods

serveRequests(methods)
