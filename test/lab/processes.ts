import type { ChildProcess } from 'node:child_process'
import { resolve } from 'node:path'
import type { Host } from '../support/lab/index.js'
import { says } from '../support/lab/services.js'

const tsx = resolve('node_modules/tsx/dist/loader.mjs')
const commandOf = (name: string, args: readonly string[]): readonly string[] => ['--import', tsx, resolve('test/lab', `${name}.process.ts`), ...args]

/** Starts a server of this folder on a host; resolves when it listens. It ends with the lab. */
export async function startServer(host: Host, name: 'responder' | 'liar' | 'sntp', args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
  const child = host.spawn(process.execPath, commandOf(name, args), { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  await says(child, 'listening')
  return child
}

/** Runs a process of this folder to its end; resolves to the one line of JSON it prints. */
export async function ask<T>(host: Host, name: 'enumerate' | 'clock', args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<T> {
  const { code, stdout, stderr } = await host.run(process.execPath, commandOf(name, args), { timeoutMs: 30_000, env: { ...process.env, ...env } })
  if (code !== 0) throw new Error(`${name} on ${host.name} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}

/** Runs jobs, so many at once, in the order they come. */
export function queue(atOnce: number): <T>(job: () => Promise<T>) => Promise<T> {
  let free = atOnce
  const waiting: (() => void)[] = []
  return async job => {
    if (free > 0) free -= 1
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await job()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
