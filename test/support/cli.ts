import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

const main = resolve('dist/src/cli/main.js')
const waitLimitMs = 15_000
/** Servers of the internet, which these tests must not ask. */
const offline = ['--stun', 'none', '--ntp', 'none', '--no-port-mapping', '--json']

/** Where a command runs: this machine, or a host of the lab. */
export interface Machine {
  spawn(command: string, args?: readonly string[], options?: Omit<SpawnOptions, 'shell'>): ChildProcess
}

export const thisMachine: Machine = { spawn: (command, args = [], options = {}) => spawn(command, args, options) }

/** A line of `--json`. */
export interface CliEvent {
  readonly event: string
  readonly atMs: number
  readonly [field: string]: unknown
}

/** How a command is started. */
export interface CliOptions {
  readonly args?: readonly string[]
  /** Broker URLs; default `none`. */
  readonly mqtt?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Default: a new folder, removed with the command. Key file and configuration are below it. */
  readonly home?: string
}

/** A `listen` that is online; disposing kills it. */
export interface Listener extends AsyncDisposable {
  readonly process: Cli
  readonly id: string
  readonly address: string
}

/** How a `connect` ended. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: Buffer
  readonly events: readonly CliEvent[]
  /** The first event of a name, `undefined` if there was none. */
  event(name: string): CliEvent | undefined
  /** What stood on stderr and was no event. */
  readonly said: string
  /** All of that, for a failing test to show. */
  readonly text: string
}

/** The built command, as a process with a home of its own. */
export class Cli {
  readonly child: ChildProcess
  readonly events: CliEvent[] = []
  /** Lines of the stream of events that are none. */
  readonly said: string[] = []
  readonly #ended: Promise<number | null>
  readonly #ownHome: string | undefined
  readonly #watchers = new Set<() => void>()
  #hasEnded = false

  /** Events are read from `eventsOn`; the other stream is the caller's. */
  constructor(machine: Machine, words: readonly string[], eventsOn: 'stdout' | 'stderr', { args = [], mqtt = ['none'], env = {}, home }: CliOptions) {
    if (!existsSync(main)) throw new Error(`${main} is missing: npm run build`)
    this.#ownHome = home === undefined ? newHome() : undefined
    const folder = home ?? this.#ownHome ?? ''
    this.child = machine.spawn(process.execPath, [main, ...words, ...offline, ...mqtt.flatMap(url => ['--mqtt', url]), ...args], {
      cwd: folder, stdio: 'pipe', env: { PATH: process.env['PATH'], HOME: folder, THROUGHLINE_STUN: 'none', THROUGHLINE_NTP: 'none', ...env },
    })
    this.child.stdin?.on('error', () => {}) // it may end before it has read everything
    const lines = createInterface(this.child[eventsOn] ?? Readable.from([]))
    lines.on('line', line => this.#take(line))
    this.#ended = Promise.all([once(this.child, 'exit'), once(lines, 'close')]).then(([[code]]) => {
      this.#hasEnded = true
      this.#tell()
      return code as number | null
    })
  }

  /** The first event of a name for which the test holds, past or future; rejects when the command ends, or takes 15 s, without it. */
  event(name: string, test: (event: CliEvent) => boolean = () => true): Promise<CliEvent> {
    const find = (): CliEvent | undefined => this.events.find(event => event.event === name && test(event))
    return new Promise((resolve, reject) => {
      const settle = (why?: string): void => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        const found = find()
        if (found !== undefined) resolve(found)
        else reject(new Error(`no event ${name}: ${why}; ${this.text}`))
      }
      const look = (): void => {
        if (find() !== undefined || this.#hasEnded) settle('the command ended')
      }
      const timer = setTimeout(() => settle(`waited ${waitLimitMs} ms`), waitLimitMs)
      this.#watchers.add(look)
      look()
    })
  }

  /** The exit code, once its output is read; kills the command and rejects after `timeoutMs`. */
  async exit(timeoutMs = waitLimitMs): Promise<number | null> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.child.kill('SIGKILL')
    }, timeoutMs)
    const code = await this.#ended
    clearTimeout(timer)
    if (isLate) throw new Error(`the command took longer than ${timeoutMs} ms; ${this.text}`)
    return code
  }

  /** Kills it and removes its home. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.child.kill('SIGKILL')
    this.child.stdout?.resume()
    this.child.stderr?.resume()
    await this.#ended
    if (this.#ownHome !== undefined) rmSync(this.#ownHome, { recursive: true, force: true })
  }

  get text(): string {
    return [...this.events.map(event => JSON.stringify(event)), ...this.said].join('\n').slice(-4_000)
  }

  #take(line: string): void {
    if (line.startsWith('{')) this.events.push(JSON.parse(line) as CliEvent)
    else this.said.push(line)
    this.#tell()
  }

  #tell(): void {
    for (const look of [...this.#watchers]) look()
  }
}

/** A folder for the key and configuration of one peer; the caller removes it, or leaves it to a `Cli`. */
export const newHome = (): string => mkdtempSync(join(tmpdir(), 'throughline-home-'))

/** Starts `listen --echo` and waits until it is online. */
export async function startListener(machine: Machine, options: CliOptions = {}, mode: readonly string[] = ['--echo']): Promise<Listener> {
  const command = new Cli(machine, ['listen', ...mode], mode.length > 0 ? 'stdout' : 'stderr', options)
  if (mode.length > 0) command.child.stderr?.on('data', (text: Buffer) => command.said.push(text.toString()))
  try {
    const { id, address } = (await command.event('online')) as unknown as { id: string; address: string }
    return { process: command, id, address, [Symbol.asyncDispose]: () => command[Symbol.asyncDispose]() }
  } catch (error) {
    await command[Symbol.asyncDispose]()
    throw error
  }
}

/** Runs `connect PEER` to its end, `input` on its stdin. */
export async function connect(machine: Machine, peer: string, { input = 'hello', timeoutMs = 20_000, ...options }: CliOptions & { readonly input?: string | Uint8Array; readonly timeoutMs?: number } = {}): Promise<Outcome> {
  await using command = new Cli(machine, ['connect', peer], 'stderr', options)
  const stdout: Buffer[] = []
  command.child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  command.child.stdin?.end(input)
  const code = await command.exit(timeoutMs)
  const { events, said } = command
  return { code, stdout: Buffer.concat(stdout), events, event: name => events.find(({ event }) => event === name), said: said.join('\n'), text: command.text }
}

/** Runs a command that is expected to fail by itself, and returns its exit code and all it wrote. */
export async function runToEnd(machine: Machine, words: readonly string[], options: CliOptions = {}): Promise<{ code: number | null; events: readonly CliEvent[]; said: string }> {
  await using command = new Cli(machine, words, 'stdout', options)
  command.child.stderr?.on('data', (text: Buffer) => command.said.push(text.toString()))
  command.child.stdin?.end()
  const code = await command.exit()
  return { code, events: command.events, said: command.said.join('\n') }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
