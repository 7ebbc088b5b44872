import { defaults } from '../../config/defaults.js'

const { dedupeEntries, dedupeMs } = defaults.signalling

/** Which letters were here before (protocol 4.2 step 4). Bounded in entries and age. */
export class SeenLetters {
  /** Key to time of arrival; insertion order is age. */
  readonly #times = new Map<string, number>()

  /** Notes a letter; true when it was seen within the memory. `nowMs` is monotonic. */
  isRepeat(senderId: string, messageId: string, nowMs: number): boolean {
    const key = keyOf(senderId, messageId)
    const earlier = this.#times.get(key)
    if (earlier !== undefined && nowMs - earlier < dedupeMs) return true
    this.#times.delete(key)
    this.#times.set(key, nowMs)
    const [eldest] = this.#times.keys()
    if (this.#times.size > dedupeEntries && eldest !== undefined) this.#times.delete(eldest)
    return false
  }

  /** Takes a letter as if it had not been here. */
  forget(senderId: string, messageId: string): void {
    this.#times.delete(keyOf(senderId, messageId))
  }
}

const keyOf = (senderId: string, messageId: string): string => `${senderId}/${messageId}`

/** So many a second and no more: openings of untagged envelopes. */
export class RateLimit {
  readonly #perSecond: number
  #second = Number.NEGATIVE_INFINITY
  #count = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** False when this second has had its share. `nowMs` is monotonic. */
  take(nowMs: number): boolean {
    if (nowMs - this.#second >= 1_000) {
      this.#second = nowMs
      this.#count = 0
    }
    this.#count += 1
    return this.#count <= this.#perSecond
  }
}
