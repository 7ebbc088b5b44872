import type { Moment, Role } from './messages.js'

/** A moment and the node it is from. */
export interface Entry {
  readonly who: Role
  readonly moment: Moment
}

/** Reports of two processes arrive out of order by less than this. */
const holdMs = 60
const lookEveryMs = 20

/** Puts what two processes tell into the order it happened, and shows it while it happens. Ended by `flush`. */
export class Timeline {
  readonly #show: (entry: Entry) => void
  readonly #nowMs: () => number
  /** Bounded by the moments of one attempt. */
  #held: Entry[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(show: (entry: Entry) => void, nowMs: () => number) {
    this.#show = show
    this.#nowMs = nowMs
  }

  add(entry: Entry): void {
    this.#held.push(entry)
    this.#timer ??= setInterval(() => this.#release(this.#nowMs() - holdMs), lookEveryMs)
  }

  /** Shows what is held. */
  flush(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#release(Infinity)
  }

  #release(untilMs: number): void {
    this.#held.sort((a, b) => a.moment.atMs - b.moment.atMs)
    const later = this.#held.findIndex(({ moment }) => moment.atMs > untilMs)
    for (const entry of this.#held.splice(0, later < 0 ? this.#held.length : later)) this.#show(entry)
  }
}
