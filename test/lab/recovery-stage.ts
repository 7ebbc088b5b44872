import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { createRequester } from '../../bench/support/requests.js'
import type { Host, Lab, LabSpec } from '../support/lab/index.js'
import { now, type Carried, type Look, type Silence } from './load.js'
import { seedOf, sourceUrl, startInternet } from './punch-stage.js'
import type { Holding, RecoveryDial, RecoveryNodeMethods, RecoveryNodeSettings } from './recovery-node.process.js'

/** A node on a host of the lab, in a process of its own, whose pipes are busy. */
export interface BusyNode {
  readonly host: Host
  readonly pid: number
  address(): Promise<string>
  dial(dial: RecoveryDial): Promise<string>
  look(session: string, sinceMs?: number): Promise<Look | undefined>
  finish(session: string): Promise<Carried>
  repath(session: string, strategies: readonly string[]): ReturnType<RecoveryNodeMethods['repath']>
  held(): Promise<Holding>
  /** As a crash does. */
  kill(): Promise<void>
}

export type NodeExtras = Partial<Pick<RecoveryNodeSettings, 'turn' | 'listenPort' | 'suspendMs' | 'bytesPerS'>>

/** A lab with a Mosquitto and STUN servers for busy nodes. Whoever started it closes it. */
export interface BusyStage {
  readonly lab: Lab
  startNode(host: Host, extras?: NodeExtras): Promise<BusyNode>
  close(): Promise<void>
}

const program = fileURLToPath(new URL('./recovery-node.process.ts', import.meta.url))
/** Behind every limit of what it asks for. */
const requestLimitMs = 90_000

export async function startBusyStage(spec: LabSpec): Promise<BusyStage> {
  const { lab, mqtt, stun, close } = await startInternet(spec)
  return { lab, startNode: (host, extras = {}) => startNode(host, { name: host.name, mqtt, stun, seed: seedOf(lab, host), ...extras }), close }
}

async function startNode(host: Host, settings: RecoveryNodeSettings): Promise<BusyNode> {
  const child = host.spawn(process.execPath, ['--expose-gc', '--import', 'tsx', program, sourceUrl], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const request = createRequester(child, host.name, requestLimitMs)
  await request('start', settings)
  return {
    host,
    pid: child.pid ?? 0,
    address: () => request('address') as Promise<string>,
    dial: dial => request('dial', dial) as Promise<string>,
    look: (session, sinceMs = 0) => request('look', { session, sinceMs }) as Promise<Look | undefined>,
    finish: session => request('finish', session) as Promise<Carried>,
    repath: (session, strategies) => request('repath', { session, strategies }) as ReturnType<RecoveryNodeMethods['repath']>,
    held: () => request('held') as Promise<Holding>,
    kill: () => new Promise(resolve => {
      child.once('exit', () => resolve())
      child.kill('SIGKILL')
    }),
  }
}

/** A pipe between two busy nodes. */
export interface BusyPipe {
  readonly session: string
  /** Initiator first. */
  readonly ends: readonly [BusyNode, BusyNode]
}

/** Opens a pipe and waits until bytes arrive at both ends. */
export async function openPipe(initiator: BusyNode, responder: BusyNode, strategies: readonly string[]): Promise<BusyPipe> {
  const session = await initiator.dial({ address: await responder.address(), strategies })
  const pipe: BusyPipe = { session, ends: [initiator, responder] }
  await untilFlowing(pipe, now(), 100)
  return pipe
}

const pollMs = 50
/** Beyond what a pipe may be suspended. */
const flowLimitMs = 75_000
/** What counts as flowing: no longer silence. */
const pauseMs = 400

/**
 * Resolves when bytes have arrived at both ends for `forMs`, beginning after that moment, without a longer pause; to how
 * each end looks then, with its silences after `logMs`. Rejects when the pipe breaks before, or after 75 s.
 */
export async function untilFlowing({ session, ends }: BusyPipe, sinceMs: number, forMs: number, logMs = sinceMs): Promise<readonly [Look, Look]> {
  return poll('bytes at both ends', async () => {
    const looks = await Promise.all(ends.map(end => end.look(session, logMs)))
    const broken = looks.find(look => look?.error !== undefined)
    if (broken !== undefined) throw new Error(`the pipe broke: ${JSON.stringify(looks.map(look => look?.error ?? look?.state))}`)
    return looks.every(look => look !== undefined && isFlowing(look, sinceMs, forMs)) ? (looks as unknown as readonly [Look, Look]) : undefined
  })
}

/** Asks again and again until there is an answer, for 75 s. */
async function poll<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const limitMs = now() + flowLimitMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (now() > limitMs) throw new Error(`${what}: not in ${flowLimitMs} ms`)
    await new Promise(resolve => setTimeout(resolve, pollMs))
  }
}

/** Resolves when both ends are in a state, to how they look then. */
export const untilState = ({ session, ends }: BusyPipe, wanted: string): Promise<readonly (Look | undefined)[]> =>
  poll(wanted, async () => {
    const looks = await Promise.all(ends.map(end => end.look(session)))
    return looks.every(look => look?.state === wanted) ? looks : undefined
  })

/** Resolves when both ends have failed, to what went through them. */
export async function untilOver(pipe: BusyPipe): Promise<readonly Carried[]> {
  await untilState(pipe, 'failed')
  return Promise.all(pipe.ends.map(end => end.finish(pipe.session)))
}

/** Resolves when an end has failed; `atMs` is when that was seen. */
export const untilFailed = (session: string, end: BusyNode) =>
  poll('failed', async () => {
    const error = (await end.look(session))?.error
    return error && { error, atMs: now() }
  })

/** What a process may hold besides: links of a broker or a STUN server that are just being made anew, and what was compiled meanwhile. */
const more = { TCPSocketWrap: 3, Timeout: 8, heapBytes: 12e6 }

/** Resolves when a process holds about what it held before; what was ended lingers for some seconds. */
export async function untilBackTo(before: Holding, node: BusyNode): Promise<void> {
  let after = before
  const isBack = (kind: 'TCPSocketWrap' | 'Timeout') => (after.resources[kind] ?? 0) <= (before.resources[kind] ?? 0) + more[kind]
  await poll(`${node.host.name} holds what it held`, async () => {
    after = await node.held()
    return (isBack('TCPSocketWrap') && isBack('Timeout')) || undefined
  }).catch(() => {})
  process.stderr.write(`${node.host.name} held ${JSON.stringify(before)}, holds ${JSON.stringify(after)}\n`)
  expect(isBack('TCPSocketWrap') && isBack('Timeout'), node.host.name).toBe(true)
  expect(after.heapBytes - before.heapBytes).toBeLessThan(more.heapBytes)
}

/** The last long silence ended, or the moment was, at least `forMs` ago. */
function isFlowing({ state, silences }: Look, sinceMs: number, forMs: number): boolean {
  const quietUntil = Math.max(sinceMs, ...silences.filter(({ fromMs, toMs }) => toMs - fromMs > pauseMs).map(({ toMs }) => toMs))
  const nowMs = silences.at(-1)?.toMs ?? 0
  return state === 'connected' && nowMs - quietUntil >= forMs
}

/** How long an end waited for bytes after that moment, at most. */
export const longestAfter = (silences: readonly Silence[], sinceMs: number): number =>
  Math.max(0, ...silences.map(({ fromMs, toMs }) => toMs - Math.max(fromMs, sinceMs)))

/** Ends both directions, and compares what went in with what came out. */
export async function expectWhole({ session, ends }: BusyPipe): Promise<void> {
  const [one, other] = (await Promise.all(ends.map(end => end.finish(session)))) as [Carried, Carried]
  expect([one.error, other.error]).toEqual([undefined, undefined])
  expect(other.received).toEqual(one.sent)
  expect(one.received).toEqual(other.sent)
  expect([one.isWhole, other.isWhole]).toEqual([true, true])
  for (const { states } of [one, other]) {
    expect(states.at(-1)).toBe('closed')
    expect([...new Set(states)].filter(state => !['connected', 'recovering', 'closed'].includes(state))).toEqual([])
  }
}
