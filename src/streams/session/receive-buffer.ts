/**
 * Bytes that came in order and the application has not taken yet. Pieces may come twice, from an old and a new channel;
 * what is already there is dropped. Bounded by the credit granted.
 */
export class ReceiveBuffer {
  readonly #pieces: Buffer[] = []
  #received = 0
  #taken = 0
  #finAt: number | undefined
  /** Where tiny pieces are packed, as long as the last piece is in it. */
  #slab: { readonly bytes: Buffer; readonly last: Buffer } | undefined

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
    return this.isComplete && this.#pieces.length === 0
  }

  /** Takes bytes at `offset`; false when they leave a gap, pass `maxOffset`, or come after the end. */
  accept(offset: number, bytes: Buffer, maxOffset: number): boolean {
    const end = offset + bytes.length
    if (offset > this.#received || end > maxOffset || (this.#finAt !== undefined && end > this.#finAt)) return false
    if (end <= this.#received) return true
    this.#keep(offset === this.#received ? bytes : bytes.subarray(this.#received - offset))
    this.#received = end
    return true
  }

  /** Notes the end of the stream; false when it contradicts what is known. */
  finish(offset: number): boolean {
    if (this.#finAt !== undefined) return this.#finAt === offset
    if (offset !== this.#received) return false
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
    this.#pieces.length = 0
  }

  /** A peer that sends byte by byte to a reader that does not read would cost far more memory than its bytes: such pieces are packed. */
  #keep(piece: Buffer): void {
    const last = this.#pieces.at(-1)
    if (piece.length >= tinyBytes || this.#pieces.length < manyPieces || last === undefined || last.length + piece.length > packedBytes) {
      this.#pieces.push(piece)
      return
    }
    const slab = this.#slab?.last === last ? this.#slab.bytes : Buffer.allocUnsafeSlow(packedBytes)
    if (this.#slab?.last !== last) last.copy(slab)
    piece.copy(slab, last.length)
    const packed = slab.subarray(0, last.length + piece.length)
    this.#pieces[this.#pieces.length - 1] = packed
    this.#slab = { bytes: slab, last: packed }
  }
}

/** Below this a piece costs more to keep than to copy. */
const tinyBytes = 512
/** So many pieces wait only when nobody reads. */
const manyPieces = 64
const packedBytes = 8_192
