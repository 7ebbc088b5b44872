import { createCipheriv, createHash, randomBytes, type Hash } from 'node:crypto'
import type { Pipe } from '../../src/index.js'

/** Milliseconds of the epoch, to the fraction: the processes of one machine share that clock. */
export const now = (): number => performance.timeOrigin + performance.now()

/** What went through one end of a pipe. */
export interface Carried {
  readonly sent: Tally
  readonly received: Tally
  /** States in the order seen. */
  readonly states: readonly string[]
  readonly error?: { readonly code: string; readonly message: string }
  /** It had its end, and no error. */
  readonly isWhole: boolean
}

interface Tally {
  readonly bytes: number
  readonly digest: string
}

/** A time without a byte. */
export interface Silence {
  readonly fromMs: number
  readonly toMs: number
}

/** Writes random bytes until it is told to stop, as fast as asked and the pipe takes them. */
class Source {
  readonly #hash = createHash('sha256')
  readonly #cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16))
  readonly #pipe: Pipe
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  /** `bytesPerS` undefined: as fast as the pipe takes them. */
  constructor(pipe: Pipe, bytesPerS: number | undefined) {
    this.#pipe = pipe
    if (bytesPerS === undefined) this.#pump()
    else this.#timer = setInterval(() => this.#pipe.writableNeedDrain || this.#write((bytesPerS * tickMs) / 1_000), tickMs)
  }

  get bytes(): number {
    return this.#bytes
  }

  stop(): Tally {
    clearInterval(this.#timer)
    this.#pipe.off('drain', this.#pump)
    if (!this.#pipe.writableEnded) this.#pipe.end()
    return { bytes: this.#bytes, digest: this.#hash.digest('hex') }
  }

  readonly #pump = (): void => {
    this.#pipe.off('drain', this.#pump)
    if (this.#pipe.destroyed || this.#pipe.writableEnded) return
    if (this.#write(65_536 + 17)) setImmediate(this.#pump)
    else this.#pipe.on('drain', this.#pump)
  }

  #write(bytes: number): boolean {
    if (this.#pipe.destroyed) return false
    const chunk = this.#cipher.update(Buffer.alloc(bytes))
    this.#hash.update(chunk)
    this.#bytes += bytes
    return this.#pipe.write(chunk)
  }
}

/** Counts what arrives, and notes when nothing does. */
class Sink {
  readonly #hash: Hash = createHash('sha256')
  /** Longer than `minSilenceMs`; at most `maxSilences`. */
  readonly #silences: Silence[] = []
  #bytes = 0
  #latestMs = now()

  constructor(pipe: Pipe) {
    pipe.on('data', (chunk: Buffer) => {
      this.#hash.update(chunk)
      this.#bytes += chunk.length
      const atMs = now()
      if (atMs - this.#latestMs >= minSilenceMs) this.#silences.push({ fromMs: this.#latestMs, toMs: atMs })
      if (this.#silences.length > maxSilences) this.#silences.shift()
      this.#latestMs = atMs
    })
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Silences that ended after that moment, with the one that lasts. */
  silences(sinceMs: number): readonly Silence[] {
    return [...this.#silences.filter(({ toMs }) => toMs > sinceMs), { fromMs: this.#latestMs, toMs: now() }]
  }

  end(): Tally {
    return { bytes: this.#bytes, digest: this.#hash.digest('hex') }
  }
}

/** One end of a pipe that is busy in both directions. */
export class Load {
  readonly #pipe: Pipe
  readonly #source: Source
  readonly #sink: Sink
  readonly #states: string[] = []
  readonly #over: Promise<void>
  #error: { readonly code: string; readonly message: string } | undefined

  constructor(pipe: Pipe, bytesPerS: number | undefined) {
    this.#pipe = pipe
    pipe.state$.subscribe(state => this.#states.push(state))
    pipe.on('error', (error: Error & { readonly code?: string }) => (this.#error = { code: error.code ?? '', message: error.message }))
    this.#over = new Promise(resolve => void pipe.once('close', resolve))
    this.#sink = new Sink(pipe)
    this.#source = new Source(pipe, bytesPerS)
  }

  /** How it goes now. `silences` end after `sinceMs`. */
  look(sinceMs: number) {
    const { path, stats } = this.#pipe
    return {
      state: this.#states.at(-1) ?? '', states: this.#states, path, stats, sent: this.#source.bytes, received: this.#sink.bytes, silences: this.#sink.silences(sinceMs),
      buffered: this.#pipe.writableLength, ...(this.#error !== undefined && { error: this.#error }),
    }
  }

  /** Stops writing, and resolves when the pipe is over. */
  async finish(): Promise<Carried> {
    const sent = this.#source.stop()
    if (!this.#pipe.closed) await this.#over
    return {
      sent, received: this.#sink.end(), states: this.#states, isWhole: this.#error === undefined && this.#pipe.readableEnded && this.#pipe.writableFinished,
      ...(this.#error !== undefined && { error: this.#error }),
    }
  }
}

export type Look = ReturnType<Load['look']>

const tickMs = 10
/** What is shorter is how packets come. */
const minSilenceMs = 5
const maxSilences = 10_000
