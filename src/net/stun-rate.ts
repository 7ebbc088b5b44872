/** At most so much in one window: by one source, and by all of them. */
export interface RateLimits {
  readonly windowMs: number
  readonly perSource: number
  readonly inAll: number
}

/** Counts by source in windows that follow each other. Memory: at most `inAll` sources, forgotten with each window. */
export class RateWindow {
  readonly #limits: RateLimits
  readonly #bySource = new Map<string, number>()
  #taken = 0
  #window = 0

  constructor(limits: RateLimits) {
    this.#limits = limits
  }

  /** Whether the source may once more at `nowMs`, which must not go back; counts it then. */
  take(source: string, nowMs: number): boolean {
    const { windowMs, perSource, inAll } = this.#limits
    const window = Math.floor(nowMs / windowMs)
    if (window !== this.#window) {
      this.#window = window
      this.#taken = 0
      this.#bySource.clear()
    }
    const ofSource = this.#bySource.get(source) ?? 0
    if (this.#taken >= inAll || ofSource >= perSource) return false
    this.#taken += 1
    this.#bySource.set(source, ofSource + 1)
    return true
  }
}
