import { defaults } from '../config/defaults.js'
import type { Clock } from './clock.js'

/** Who wants SYNs to leave in bursts. */
interface Turn {
  /** What bears the same key takes one turn together. */
  readonly key: string
  readonly begin: () => void
}

/**
 * Lets one birthday punch of the node send at a time. Those after it wait, and go by their keys: attempts have the same at both nodes,
 * whose order would differ else, and two that differ once agree again after a turn or two. A turn begins
 * whole bursts after the one before: no more bursts leave than one punch sends, and two nodes that began together stay in step.
 * Bounded by the volleys of the attempts that run.
 */
export class BirthdayTurns {
  readonly #clock: Clock
  readonly #waiting: Turn[] = []
  /** Of the running turn. */
  readonly #users = new Set<Turn>()
  /** Of the latest key that had one. */
  #refusals: { readonly key: string; readonly count: number } | undefined
  #startedAtMs = 0
  /** Of the latest turn; it may go on at once. */
  #latest: string | undefined
  /** No turn begins before. */
  #freeAtMs = Number.NEGATIVE_INFINITY
  #cancelNext: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls back when it is the turn of `key`, now or later; returns what gives the turn, or the wait for it, up. Idempotent. */
  enter(key: string, begin: () => void): () => void {
    const turn: Turn = { key, begin }
    const isFree = this.#users.size === 0 && this.#waiting.length === 0 && this.#clock.now() >= this.#freeAtMs
    if (isFree || (key === this.#latest && (this.#users.size > 0 || this.#waiting.length === 0))) this.#start([turn])
    else {
      this.#waiting.push(turn)
      this.#await()
    }
    return () => this.#leave(turn)
  }

  /** Whether something of that key waits for its turn. */
  isWaiting(key: string): boolean {
    return this.#waiting.some(turn => turn.key === key)
  }

  /** A SYN of that key was refused. */
  noteRefusal(key: string): void {
    this.#refusals = { key, count: this.#refusals?.key === key ? this.#refusals.count + 1 : 1 }
  }

  /** Whether the NAT of that key's peer answers strangers, as far as its turn has told. */
  isRefused(key: string): boolean {
    return this.#refusals?.key === key && this.#refusals.count >= birthdayRefusals
  }

  /** Turns that run, and how many may. */
  get use(): { readonly used: number; readonly limit: number } {
    return { used: this.#users.size === 0 ? 0 : 1, limit: 1 }
  }

  #start(turns: readonly Turn[]): void {
    if (this.#users.size === 0) this.#startedAtMs = this.#clock.now()
    this.#latest = turns[0]?.key
    for (const turn of turns) this.#users.add(turn)
    for (const { begin } of turns) begin()
  }

  #leave(turn: Turn): void {
    const place = this.#waiting.indexOf(turn)
    if (place !== -1) this.#waiting.splice(place, 1)
    if (this.#users.delete(turn) && this.#users.size === 0) {
      const bursts = Math.floor((this.#clock.now() - this.#startedAtMs) / burstEveryMs) + 1
      this.#freeAtMs = this.#startedAtMs + bursts * burstEveryMs
    }
    this.#await()
  }

  #await(): void {
    this.#cancelNext?.()
    this.#cancelNext = undefined
    if (this.#users.size > 0 || this.#waiting.length === 0) return
    this.#cancelNext = this.#clock.after(Math.max(0, this.#freeAtMs - this.#clock.now()), () => {
      this.#cancelNext = undefined
      const keys = [...new Set(this.#waiting.map(turn => turn.key))].sort()
      // who has just had a turn comes last
      const key = keys.find(one => one !== this.#latest) ?? keys[0]
      const next = this.#waiting.filter(turn => turn.key === key)
      for (const turn of next) this.#waiting.splice(this.#waiting.indexOf(turn), 1)
      this.#start(next)
    })
  }
}

const { birthdayRefusals, burstEveryMs } = defaults.punch
