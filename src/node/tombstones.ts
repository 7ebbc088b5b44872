import { defaults } from '../config/defaults.js'

/** The finals of a closed session. */
export interface Tombstone {
  readonly receivedOffset: number
  readonly maxOffset: number
}

const { tombstoneMs, maxTombstones } = defaults.session

/** Closed sessions, so that a late OPEN learns how they ended (protocol 5). Bounded in age and number. */
export class Tombstones {
  /** Insertion order is age. */
  readonly #byKey = new Map<string, Tombstone & { readonly atMs: number }>()

  set(key: string, tombstone: Tombstone, nowMs: number): void {
    this.#byKey.delete(key)
    this.#byKey.set(key, { ...tombstone, atMs: nowMs })
    for (const [eldest, { atMs }] of this.#byKey) {
      if (this.#byKey.size <= maxTombstones && nowMs - atMs < tombstoneMs) break
      this.#byKey.delete(eldest)
    }
  }

  get(key: string, nowMs: number): Tombstone | undefined {
    const tombstone = this.#byKey.get(key)
    return tombstone !== undefined && nowMs - tombstone.atMs < tombstoneMs ? tombstone : undefined
  }
}
