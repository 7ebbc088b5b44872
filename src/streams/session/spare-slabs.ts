/**
 * Memory of acknowledged batches, for the next ones of the same session: in a large transfer fresh memory for each batch
 * costs more than its encryption. Never shared between sessions: a peer that acknowledges what it has not received can
 * only spoil its own bytes. Bounded by `maxSpareBytes`.
 */
export class SpareSlabs {
  readonly #slabs: Buffer[] = []
  #bytes = 0

  /** Memory for `size` bytes, as left by an earlier batch or fresh; undefined where the size is not worth it. */
  take(size: number): Buffer | undefined {
    if (size < minSlabBytes) return undefined
    // the latest one is the warmest
    const index = this.#slabs.findLastIndex(({ length }) => length >= size)
    const [slab] = index < 0 ? [] : this.#slabs.splice(index, 1)
    if (slab === undefined) return Buffer.allocUnsafeSlow(Math.ceil(size / minSlabBytes) * minSlabBytes)
    this.#bytes -= slab.length
    return slab
  }

  /** Takes memory back that nobody reads any more. */
  give(slab: Buffer): void {
    if (this.#bytes + slab.length > maxSpareBytes) return
    this.#slabs.push(slab)
    this.#bytes += slab.length
  }

  /** The flow has paused: an idle pipe holds nothing. */
  clear(): void {
    this.#slabs.length = 0
    this.#bytes = 0
  }
}

/** Smaller batches are cheap, and rarely follow each other. */
const minSlabBytes = 32 * 1_024
/** Half a window of 4 MiB: acknowledgements come in such portions. */
const maxSpareBytes = 2 * 1_024 * 1_024
