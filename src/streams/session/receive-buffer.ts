import { PieceQueue } from './piece-queue.js'

/**
 * Bytes the application has not taken yet. Pieces may come twice, from an old and a new channel; what is already there
 * is dropped. After a move the new channel may run ahead of what is still on its way by the old one: that is kept
 * apart until the gap is closed. Bounded by the credit granted.
 */
export class ReceiveBuffer {
  readonly #pieces = new PieceQueue()
  #received = 0
  #taken = 0
  #finAt: number | undefined
  /** One run of bytes behind the gap. */
  #ahead: { readonly start: number; end: number; readonly pieces: PieceQueue } | undefined

  /** Offset after the last byte received; one more once the FIN is here with everything before it. */
  get received(): number {
    return this.isComplete ? this.#received + 1 : this.#received
  }

  /** Bytes received, the FIN not counted. */
  get receivedBytes(): number {
    return this.#received
  }

  /** Offset after the last byte the application took. */
  get taken(): number {
    return this.#taken
  }

  get isComplete(): boolean {
    return this.#finAt === this.#received
  }

  /** True when the application has everything up to the end. */
  get isDrained(): boolean {
    return this.isComplete && this.#pieces.isEmpty
  }

  /** Takes bytes at `offset`; false when they pass `maxOffset`, come after the end, or leave a gap where none may be: `mayLeap` lets one begin. */
  accept(offset: number, bytes: Buffer, maxOffset: number, mayLeap = false): boolean {
    const end = offset + bytes.length
    if (end > maxOffset || (this.#finAt !== undefined && end > this.#finAt)) return false
    if (offset > this.#received) return this.#keepAhead(offset, bytes, mayLeap)
    this.#append(offset, bytes)
    this.#closeGap()
    return true
  }

  /** Notes the end of the stream; false when it contradicts what is known. */
  finish(offset: number, mayLeap = false): boolean {
    if (this.#finAt !== undefined) return this.#finAt === offset
    const known = this.#ahead?.end ?? this.#received
    if (offset !== known && (offset < known || !mayLeap)) return false
    this.#finAt = offset
    return true
  }

  /** The next piece; undefined when there is none now. */
  take(): Buffer | undefined {
    const piece = this.#pieces.shift()
    if (piece !== undefined) this.#taken += piece.length
    return piece
  }

  clear(): void {
    this.#pieces.clear()
    this.#ahead = undefined
  }

  #append(offset: number, bytes: Buffer): void {
    const end = offset + bytes.length
    if (end <= this.#received) return
    this.#pieces.push(offset === this.#received ? bytes : bytes.subarray(this.#received - offset))
    this.#received = end
  }

  #keepAhead(offset: number, bytes: Buffer, mayLeap: boolean): boolean {
    if (this.#ahead === undefined && !mayLeap) return false
    this.#ahead ??= { start: offset, end: offset, pieces: new PieceQueue() }
    const { start, end } = this.#ahead
    if (offset < start || offset > end) return false
    const fresh = bytes.subarray(end - offset)
    if (fresh.length > 0) this.#ahead.pieces.push(fresh)
    this.#ahead.end += fresh.length
    return true
  }

  #closeGap(): void {
    const ahead = this.#ahead
    if (ahead === undefined || ahead.start > this.#received) return
    this.#ahead = undefined
    let offset = ahead.start
    for (let piece = ahead.pieces.shift(); piece !== undefined; piece = ahead.pieces.shift()) {
      this.#append(offset, piece)
      offset += piece.length
    }
  }
}
