import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { Observable } from 'rxjs'
import { ThroughlineError } from '../../errors/index.js'
import type { Messages } from './types.js'

/** Length before each message, in bytes. */
const prefixBytes = 4

/** Messages as a `u32` length and that many bytes, over any Duplex. Holds at most one message. */
export class MessageStream implements Messages {
  readonly #duplex: Duplex
  readonly #maxBytes: number
  #bytes: Buffer = Buffer.alloc(0)

  constructor(duplex: Duplex, maxBytes: number) {
    this.#duplex = duplex
    this.#maxBytes = maxBytes
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.#maxBytes) throw tooLarge(bytes.length, this.#maxBytes)
    const prefix = Buffer.alloc(prefixBytes)
    prefix.writeUInt32BE(bytes.length)
    this.#duplex.cork()
    this.#duplex.write(prefix)
    const isReady = this.#duplex.write(bytes)
    process.nextTick(() => this.#duplex.uncork())
    if (!isReady) await once(this.#duplex, 'drain')
  }

  async receive({ filter, signal }: { readonly filter?: (message: Uint8Array) => boolean; readonly signal?: AbortSignal } = {}): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = await this.#next(signal)
      if (message === undefined || filter === undefined || filter(message)) return message
    }
  }

  get messages$(): Observable<Uint8Array> {
    return new Observable(subscriber => {
      const stop = new AbortController()
      const pump = async () => {
        for (let message = await this.#next(stop.signal); message !== undefined; message = await this.#next(stop.signal)) subscriber.next(message)
        subscriber.complete()
      }
      pump().catch((error: unknown) => subscriber.error(error))
      return () => stop.abort()
    })
  }

  /** An abort loses nothing: bytes are taken only when the whole message is here. */
  async #next(signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    if (!(await this.#fill(prefixBytes, signal))) return undefined
    const length = this.#bytes.readUInt32BE()
    if (length > this.#maxBytes) throw tooLarge(length, this.#maxBytes)
    if (!(await this.#fill(prefixBytes + length, signal))) return undefined
    const message = this.#bytes.subarray(prefixBytes, prefixBytes + length)
    this.#bytes = this.#bytes.subarray(prefixBytes + length)
    return message
  }

  /** Reads until `length` bytes are buffered; false at a clean end before the first of them. */
  async #fill(length: number, signal: AbortSignal | undefined): Promise<boolean> {
    while (this.#bytes.length < length) {
      signal?.throwIfAborted()
      const chunk = this.#duplex.read() as Buffer | null
      if (chunk !== null) this.#bytes = Buffer.concat([this.#bytes, chunk])
      else if (this.#duplex.readableEnded && this.#bytes.length === 0) return false
      else if (this.#duplex.readableEnded) throw new ThroughlineError('ERR_CONNECTION_LOST', 'the stream ended inside a message')
      else if (this.#duplex.destroyed) throw this.#duplex.errored ?? new ThroughlineError('ERR_PIPE_CLOSED', 'the pipe was closed')
      else await readableOrOver(this.#duplex, signal)
    }
    return true
  }
}

function readableOrOver(duplex: Duplex, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      duplex.off('readable', settle).off('end', settle).off('close', settle)
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    const onAbort = () => {
      settle()
      reject(signal?.reason)
    }
    duplex.on('readable', settle).on('end', settle).on('close', settle)
    signal?.addEventListener('abort', onAbort)
  })
}

const tooLarge = (length: number, limit: number) =>
  new ThroughlineError('ERR_MESSAGE_TOO_LARGE', `a message of ${length} bytes; the limit is ${limit}`, { facts: { length, limit } })
