import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { builtWord, homesScript, readyWord } from './homes-script.js'
import type { HomesTools } from './homes-tools.js'

/** All of it takes about half a second. */
const startLimitMs = 8_000
const maxStderrChars = 4_096

/** How an anchor is started. */
export interface AnchorOptions {
  readonly tools: HomesTools
  /** In a user namespace, where this user is root. */
  readonly isRootless: boolean
  /** Removed by the anchor if this process dies before it. */
  readonly folder: string
  /** Command of the services. */
  readonly services: readonly string[]
  readonly signal: AbortSignal
}

/**
 * The process that owns the namespaces of homes and internet. It is the first of a PID namespace, so the kernel ends all that
 * runs in there with it; and it meets the end of its stdin when this process is gone, by whatever signal.
 */
export class HomesAnchor {
  readonly #child: ChildProcess
  /** Its children hold its stdout too: closed means that all are gone. */
  readonly #closed: Promise<void>
  #stderr = ''

  /** False: it ended before, or time was up. */
  readonly isBuilt: Promise<boolean>
  /** The same of the services. */
  readonly isReady: Promise<boolean>

  constructor({ tools, isRootless, folder, services, signal }: AnchorOptions) {
    const namespaces = [...(isRootless ? ['--user', '--map-root-user'] : []), '--net', '--mount', '--pid', '--fork', '--kill-child']
    const child = spawn(tools.unshare, [...namespaces, 'sh', '-c', homesScript, 'sh', folder, ...services], {
      // In a group of its own: what a terminal sends is for the demo to decide.
      stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PATH: tools.path }, detached: true, signal, killSignal: 'SIGKILL',
    })
    this.#child = child
    this.#closed = new Promise(resolve => child.once('close', () => resolve()))
    child.on('error', error => this.#note(error.message))
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#note(text))
    const limit = setTimeout(() => {
      this.#note(`it took longer than ${startLimitMs / 1_000} s`)
      this.#kill()
    }, startLimitMs)
    const lines = createInterface(child.stdout)
    const hears = (word: string) => new Promise<boolean>(resolve => {
      lines.on('line', line => line === word && resolve(true))
      void this.#closed.then(() => resolve(false))
    })
    this.isBuilt = hears(builtWord)
    this.isReady = hears(readyWord)
    void this.isReady.then(() => clearTimeout(limit))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** What went wrong first. */
  get complaint(): string {
    return this.#stderr.trim().split('\n')[0] || 'it ended early'
  }

  /** Resolves when its processes are gone. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.#kill()
    await this.#closed
  }

  #note(text: string): void {
    this.#stderr = `${this.#stderr}${text}`.slice(0, maxStderrChars)
  }

  #kill(): void {
    this.#child.kill('SIGKILL')
  }
}
