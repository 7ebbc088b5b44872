import { dataPerFrame, encodeData, framedLength, framesFrom } from '../../protocol/data-frames.js'
import { SpareSlabs } from './spare-slabs.js'

/** A write that waits to be framed. */
interface Waiting {
  readonly chunk: Uint8Array
  readonly done?: (error?: Error) => void
}

/** Encoded DATA frames the peer has not acknowledged; `start` is the offset of their first byte. */
interface Batch {
  readonly start: number
  readonly end: number
  readonly encoded: Buffer
  /** Memory of `encoded` that may be used again; undefined once it was written to a second channel. */
  slab: Buffer | undefined
}

/** A batch that is sent again, or its rest; `end` is the offset after its last byte. */
interface Repeated {
  readonly frames: Buffer
  readonly end: number
}

/**
 * The sending half of a session: writes waiting for credit, and sent bytes waiting for acknowledgement. Bounds: the
 * first by the Duplex above (it waits for `done`), the second by the credit passed to `take`.
 */
export class SendBuffer {
  readonly #waiting: Waiting[] = []
  readonly #batches: Batch[] = []
  readonly #spares = new SpareSlabs()
  /** Writers whose bytes are framed and who were not told yet. */
  #framedWriters: (() => void)[] = []
  #waitingBytes = 0
  #framed = 0
  #acknowledged = 0

  /** Offset after the last framed byte. */
  get framed(): number {
    return this.#framed
  }

  /** Offset up to which the peer has everything. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** True when every framed byte is with the peer. */
  get isAllAcknowledged(): boolean {
    return this.#acknowledged === this.#framed
  }

  /** True when every byte accepted so far is with the peer. */
  get isSettled(): boolean {
    return this.#waitingBytes === 0 && this.isAllAcknowledged
  }

  /** Accepts bytes; `done` is called when they are framed, but for a rest of less than a frame, and the memory of `chunk` is the caller's again. */
  push(chunk: Uint8Array, done?: (error?: Error) => void): void {
    if (chunk.length === 0 && this.#waiting.length === 0) return done?.()
    this.#waiting.push(done === undefined ? { chunk } : { chunk, done })
    this.#waitingBytes += chunk.length
  }

  /** Frames at most `maxBytes` waiting bytes; undefined when nothing waits or fits. Call `tellWriters` once they are written. */
  take(maxBytes: number): Buffer | undefined {
    const length = Math.min(this.#waitingBytes, maxBytes)
    if (length <= 0) return undefined
    const slab = this.#spares.take(framedLength(length))
    const encoded = encodeData(this.#waiting.map(({ chunk }) => chunk), length, this.#framed, slab)
    const start = this.#framed
    this.#framed += length
    this.#batches.push({ start, end: this.#framed, encoded, slab })
    this.#release(length)
    return encoded
  }

  /** Calls back the writers of what was framed. They may write or end at once, so the frames must be on their way before. */
  tellWriters(): void {
    const writers = this.#framedWriters
    if (writers.length === 0) return
    this.#framedWriters = []
    for (const done of writers) done()
  }

  /** Notes an acknowledgement; false when it claims bytes that were never sent. */
  acknowledge(offset: number): boolean {
    if (offset > this.#framed) return false
    if (offset <= this.#acknowledged) return true
    this.#acknowledged = offset
    let gone = 0
    while (gone < this.#batches.length && this.#batches[gone]!.end <= offset) gone++
    for (const { slab } of this.#batches.splice(0, gone)) if (slab !== undefined) this.#spares.give(slab)
    if (this.isSettled) this.#spares.clear()
    return true
  }

  /** Everything sent from `offset` on, to be sent again on a new channel; `end`, an offset that was `framed` once, bounds it. */
  *resend(offset: number, end = Number.POSITIVE_INFINITY): Iterable<Repeated> {
    for (const batch of this.#batches) {
      if (batch.end <= offset || batch.start >= end) continue
      // the channel before may still have it in its queue when this one has brought it
      batch.slab = undefined
      yield { frames: framesFrom(batch.encoded, batch.start, offset), end: batch.end }
    }
  }

  /** Forgets all; returns the writers that were not called back yet. */
  drop(): readonly ((error?: Error) => void)[] {
    const writers = [...this.#framedWriters, ...this.#waiting.flatMap(({ done }) => done ?? [])]
    this.#waiting.length = 0
    this.#framedWriters = []
    this.#batches.length = 0
    this.#spares.clear()
    this.#waitingBytes = 0
    return writers
  }

  #release(length: number): void {
    this.#waitingBytes -= length
    let left = length
    let whole = 0
    while (whole < this.#waiting.length && this.#waiting[whole]!.chunk.length <= left) left -= this.#waiting[whole++]!.chunk.length
    const finished = this.#waiting.splice(0, whole)
    const head = this.#waiting[0]
    for (const { done } of finished) if (done !== undefined) this.#framedWriters.push(done)
    if (left > 0 && head !== undefined) this.#waiting[0] = this.#rest(head, left)
  }
  /** What is left of a write. A short rest is copied, so that its writer goes on and brings what fills the frame. */
  #rest({ chunk, done }: Waiting, from: number): Waiting {
    const rest = chunk.subarray(from)
    if (done === undefined) return { chunk: rest }
    if (rest.length >= dataPerFrame) return { chunk: rest, done }
    this.#framedWriters.push(done)
    return { chunk: Buffer.from(rest) }
  }
}
