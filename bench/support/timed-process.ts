import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { endChild } from './pair.js'

const limitMs = 10_000

/** From the start of `node ARGS` to its end, ms. */
export async function timeToExit(args: readonly string[]): Promise<number> {
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(limitMs) })) as [number | null]
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}`)
  return performance.now() - startedAtMs
}

/** From the start of `node ARGS` to the first line on stdout, ms; the process is ended then. */
export async function timeToLine(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ readonly elapsedMs: number; readonly line: string }> {
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
  try {
    const [line] = (await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(limitMs) })) as [string]
    return { elapsedMs: performance.now() - startedAtMs, line }
  } finally {
    await endChild(child)
  }
}
