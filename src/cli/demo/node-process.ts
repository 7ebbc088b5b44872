import { fork, type ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ThroughlineError, type Failure } from '../../errors/index.js'
import type { NodeSetup, Report, Request, Role } from './messages.js'

type Told<T extends Report['tell']> = Extract<Report, { readonly tell: T }>

/** Built or not, the node's file is beside this one and has its ending. */
const entry = fileURLToPath(new URL(`./demo-node.process${extname(import.meta.url)}`, import.meta.url))

/** Paths of local sockets end at 103 characters on some systems; the lock of an identity takes up to 63 below the temp folder. */
const longestFolder = 40

/** How a node's process is started. */
export interface NodeProcessOptions {
  readonly setup: NodeSetup
  /** What goes before its command. */
  readonly prefix: readonly string[]
  readonly onReport: (report: Report) => void
}

/** A failure with the verdict of the attempt it comes from. */
export class NodeFailure extends ThroughlineError {
  readonly verdict: Told<'failed'>['verdict']

  constructor({ code, message }: Failure, verdict: Told<'failed'>['verdict']) {
    super(code, message)
    this.verdict = verdict
  }
}

/** A node of the demo in a process of its own. Whoever made it stops or kills it; it also ends with this process. */
export class NodeProcess {
  readonly #role: Role
  readonly #child: ChildProcess
  /** By what they wait for; one wait per kind at a time. */
  readonly #waits = new Map<Report['tell'], { resolve(report: Report): void; reject(error: Error): void }>()
  #over: Error | undefined

  /** Resolves when the process is gone. */
  readonly gone: Promise<void>

  constructor({ setup, prefix, onReport }: NodeProcessOptions) {
    const { role, folder } = setup
    this.#role = role
    const temp = folder.length > longestFolder ? {} : { TMPDIR: folder, TEMP: folder, TMP: folder }
    const [execPath = process.execPath, ...execArgv] = [...prefix, process.execPath, ...process.execArgv]
    this.#child = fork(entry, [JSON.stringify(setup)], { execPath, execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: { ...process.env, ...temp } })
    this.gone = new Promise(resolve => {
      const onEnd = (how: string) => {
        this.#over ??= new ThroughlineError('ERR_INTERNAL', `the process of ${role} ended early (${how})`)
        this.#rejectAll(this.#over)
        resolve()
      }
      this.#child.on('error', error => this.pid === 0 && onEnd(error.message))
      this.#child.on('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`))
    })
    this.#child.on('message', (report: Report) => {
      onReport(report)
      if (report.tell === 'failed') return this.#rejectAll(new NodeFailure(report.failure, report.verdict))
      this.#waits.get(report.tell)?.resolve(report)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  ask(request: Request): void {
    if (this.#child.connected) this.#child.send(request)
  }

  /** The next report of a kind. Rejects when the node fails, its process ends, or time is up. */
  told<T extends Report['tell']>(kind: T, timeoutMs: number): Promise<Told<T>> {
    return new Promise<Report>((resolve, reject) => {
      if (this.#over !== undefined) return reject(this.#over)
      const timer = setTimeout(() => reject(new ThroughlineError('ERR_TIMEOUT', `the node ${this.#role} was not ${kind} within ${timeoutMs / 1_000} s`)), timeoutMs)
      this.#waits.set(kind, {
        resolve: report => (clearTimeout(timer), resolve(report)),
        reject: error => (clearTimeout(timer), reject(error)),
      })
    }).finally(() => this.#waits.delete(kind)) as Promise<Told<T>>
  }

  /** Lets the node close; resolves when its process is gone, which is made sure of after `limitMs`. Never rejects. */
  async stop(limitMs: number): Promise<void> {
    const timer = setTimeout(() => this.kill(), limitMs)
    this.ask({ ask: 'stop' })
    await this.gone
    clearTimeout(timer)
  }

  /** At once. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #rejectAll(error: Error): void {
    for (const { reject } of [...this.#waits.values()]) reject(error)
  }
}
