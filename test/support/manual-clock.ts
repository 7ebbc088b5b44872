import type { Clock } from '../../src/net/clock.js'

interface Alarm {
  readonly atMs: number
  readonly callback: () => void
}

/** A clock that moves only when it is told to. */
export class ManualClock implements Clock {
  #nowMs = 1_000
  readonly #alarms = new Set<Alarm>()

  now(): number {
    return this.#nowMs
  }

  wallNow(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const alarm = { atMs: this.#nowMs + delayMs, callback }
    this.#alarms.add(alarm)
    return () => void this.#alarms.delete(alarm)
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#alarms.size
  }

  /** Moves on, calling back what falls due, in order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (let due = this.#next(untilMs); due !== undefined; due = this.#next(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      this.#alarms.delete(due)
      due.callback()
    }
    this.#nowMs = untilMs
  }

  #next(untilMs: number): Alarm | undefined {
    return [...this.#alarms].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
  }
}
