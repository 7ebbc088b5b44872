/** Pieces of a stream in order. A peer that sends byte by byte to a reader that does not read would cost far more memory than its bytes: such pieces are packed. */
export class PieceQueue {
  readonly #pieces: Buffer[] = []
  /** Where tiny pieces are packed, as long as the last piece is in it. */
  #slab: { readonly bytes: Buffer; readonly last: Buffer } | undefined

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  push(piece: Buffer): void {
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

  shift(): Buffer | undefined {
    return this.#pieces.shift()
  }

  clear(): void {
    this.#pieces.length = 0
  }
}

/** Below this a piece costs more to keep than to copy. */
const tinyBytes = 512
/** So many pieces wait only when nobody reads. */
const manyPieces = 64
const packedBytes = 8_192
