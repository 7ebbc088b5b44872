import { defaults } from '../config/defaults.js'

/** How a session ended: its final offsets, or `lost` when it broke. */
export type Tombstone = { readonly receivedOffset: number; readonly maxOffset: number } | 'lost'

const { tombstoneMs, maxTombstones } = defaults.session

/** Closed sessions, so that a late OPEN learns how they ended (protocol 5). Bounded in age and number. */
export class Tombstones {
  /** Insertion order is age. */
  readonly #byKey = new Map<string, { readonly tombstone: Tombstone; readonly atMs: number }>()

  set(key: string, tombstone: Tombstone, nowMs: number): void {
    this.#byKey.delete(key)
    this.#byKey.set(key, { tombstone, atMs: nowMs })
    for (const [eldest, { atMs }] of this.#byKey) {
      if (this.#byKey.size <= maxTombstones && nowMs - atMs < tombstoneMs) break
      this.#byKey.delete(eldest)
    }
  }

  get(key: string, nowMs: number): Tombstone | undefined {
    const found = this.#byKey.get(key)
    return found !== undefined && nowMs - found.atMs < tombstoneMs ? found.tombstone : undefined
  }
}
