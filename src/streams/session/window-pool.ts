/** Memory that the pipes of one node may borrow for credit above their base windows; runs out gracefully. */
export class WindowPool {
  readonly #limit: number
  #lent = 0

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get lent(): number {
    return this.#lent
  }

  get limit(): number {
    return this.#limit
  }

  /** Lends up to `bytes`; returns how many, perhaps 0. Whoever borrowed gives the same number back. */
  borrow(bytes: number): number {
    const granted = Math.max(0, Math.min(bytes, this.#limit - this.#lent))
    this.#lent += granted
    return granted
  }

  giveBack(bytes: number): void {
    this.#lent -= bytes
  }
}
