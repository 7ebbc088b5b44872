import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

const main = resolve('src/cli/main.ts')
const tsx = resolve('node_modules/tsx/dist/loader.mjs')

/** A command in a process of its own; killed at the end of the test. */
export interface CliProcess {
  readonly child: ChildProcessWithoutNullStreams
  /** The first event of a name, past or future. Rejects when the stream ends without it. */
  event(name: string, from?: 'stdout' | 'stderr'): Promise<Record<string, unknown>>
  /** Exit code. */
  readonly code: Promise<number | null>
}

/** Starts `throughline` from source in an empty folder, without what the environment says about it. */
export function startCli(...args: string[]): CliProcess {
  const cwd = mkdtempSync(join(tmpdir(), 'tl-cli-'))
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THROUGHLINE_')))
  const child = spawn(process.execPath, ['--import', tsx, main, ...args], { cwd, env: { THROUGHLINE_STUN: 'none', THROUGHLINE_NTP: 'none', ...env, HOME: cwd, XDG_CONFIG_HOME: cwd } })
  child.stdin.on('error', () => {})
  onTestFinished(() => {
    child.kill('SIGKILL')
    rmSync(cwd, { recursive: true, force: true })
  })
  const streams = { stdout: new Events(child, 'stdout'), stderr: new Events(child, 'stderr') }
  return {
    child,
    event: (name, from = 'stdout') => streams[from].first(name),
    code: once(child, 'exit').then(([code]) => code as number | null),
  }
}

/** The JSON lines of one stream: stdout, which may carry bytes, is read from the first wish on, stderr from the start (Node discards it at exit otherwise). */
class Events {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #name: 'stdout' | 'stderr'
  readonly #seen: Record<string, unknown>[] = []
  readonly #wishes = new Set<() => void>()
  #isEnded = false
  #isReading = false

  constructor(child: ChildProcessWithoutNullStreams, name: 'stdout' | 'stderr') {
    this.#child = child
    this.#name = name
    if (name === 'stderr') this.#read()
  }

  first(name: string): Promise<Record<string, unknown>> {
    this.#read()
    return new Promise((resolve, reject) => {
      const look = () => {
        const event = this.#seen.find(one => one['event'] === name)
        if (event === undefined && !this.#isEnded) return
        this.#wishes.delete(look)
        if (event === undefined) reject(new Error(`no event ${name} in ${JSON.stringify(this.#seen)}`))
        else resolve(event)
      }
      this.#wishes.add(look)
      look()
    })
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    const lines = createInterface(this.#child[this.#name])
    lines.on('line', line => {
      this.#seen.push(line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : { line })
      for (const look of [...this.#wishes]) look()
    })
    lines.on('close', () => {
      this.#isEnded = true
      for (const look of [...this.#wishes]) look()
    })
  }
}
