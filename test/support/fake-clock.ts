import type { Clock } from '../../src/net/clock.js'

/** A clock that stands still until it is told: `advance` runs what is due, in order. */
export class FakeClock implements Clock {
  /** Unix epoch of its start, ms. */
  readonly startMs = 1_700_000_000_000
  #nowMs = 0
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  now(): number {
    return this.#nowMs
  }

  wallNow(): number {
    return this.startMs + this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Timers that neither ran nor were cancelled. */
  get pending(): number {
    return this.#timers.size
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (let due = this.#nextUntil(untilMs); due !== undefined; due = this.#nextUntil(untilMs)) {
      this.#timers.delete(due)
      this.#nowMs = due.atMs
      due.callback()
    }
    this.#nowMs = untilMs
  }

  #nextUntil(untilMs: number) {
    return [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
  }
}
