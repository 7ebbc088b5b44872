import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { DiallerMethods } from '../sides/dialler.process.js'
import type { ListenerMethods } from '../sides/listener.process.js'
import { commandPath } from './library.js'
import type { Place } from './place.js'
import { createRequester } from './requests.js'

const limitMs = 60_000
const startLimitMs = 10_000

/** A method of a side, as the runner calls it. */
type Remote<T> = { readonly [K in keyof T]: T[K] extends (...args: infer P) => infer R ? (...args: P) => Promise<Awaited<R>> : never }

/** A listener and a dialler in processes of their own, with a broker in a third. Whoever started it closes it. */
export interface Pair {
  readonly listener: Remote<ListenerMethods>
  readonly dialler: Remote<DiallerMethods>
  close(): Promise<void>
}

/** Starts both sides; each offers the references and, unless `kind` says otherwise, a node that is online at the broker. */
export async function startPair(place: Place, { hasNodes = true, profileFolder }: { readonly hasNodes?: boolean; readonly profileFolder?: string | undefined } = {}): Promise<Pair> {
  const children: ChildProcess[] = []
  const close = async () => {
    await Promise.all(children.map(endChild))
  }
  const start = (seat: 'listener' | 'dialler') => {
    const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}/${seat}`]
    const file = fileURLToPath(new URL(`../sides/${seat}.process.ts`, import.meta.url))
    const child = place.spawn(seat, ['--expose-gc', ...profile, '--import', 'tsx', file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    children.push(child)
    return createRequester(child, seat, limitMs)
  }
  try {
    const mqtt = hasNodes ? await startBroker(place, children) : undefined
    const [listener, dialler] = [remote<ListenerMethods>(start('listener')), remote<DiallerMethods>(start('dialler'))]
    const served = await listener.start({ mqtt })
    await dialler.start({ mqtt, host: place.listenerHost, ...served })
    return { listener, dialler, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Runs `work` with a pair, and ends the pair. */
export async function withPair<T>(place: Place, options: Parameters<typeof startPair>[1], work: (pair: Pair) => Promise<T>): Promise<T> {
  const pair = await startPair(place, options)
  try {
    return await work(pair)
  } finally {
    await pair.close()
  }
}

function remote<T>(request: (method: string, params?: unknown) => Promise<unknown>): Remote<T> {
  return new Proxy({}, { get: (_, method) => (params?: unknown) => request(String(method), params) }) as Remote<T>
}

/** `throughline infra` as broker; resolves to its URL. */
export async function startBroker(place: Place, children: ChildProcess[]): Promise<string> {
  const child = place.spawn('broker', [commandPath, 'infra', '--host', place.brokerHost, '--port', '0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines = createInterface(child.stdout!)
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(startLimitMs) })) as [string]
  const { mqtt } = JSON.parse(line) as { mqtt?: readonly string[] }
  if (mqtt?.[0] === undefined) throw new Error(`the broker said ${line}`)
  return mqtt[0]
}

/** Lets a side leave by itself (a profile is written then), kills it where it does not. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  if (child.connected) child.disconnect()
  else child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await exited
  clearTimeout(timer)
}
