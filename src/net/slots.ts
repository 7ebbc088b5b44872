/** A fixed number of places; who finds none waits in order. The waiters are bounded by their own time-outs. */
export class Slots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Calls `run` as soon as there is a place. Returns what gives the place back, or leaves the queue; idempotent. */
  acquire(run: () => void): () => void {
    let state: 'waiting' | 'held' | 'released' = 'waiting'
    const enter = () => {
      this.#free -= 1
      state = 'held'
      run()
    }
    if (this.#free > 0) enter()
    else this.#waiting.add(enter)
    return () => {
      const held = state === 'held'
      state = 'released'
      this.#waiting.delete(enter)
      if (held) this.#giveBack()
    }
  }

  #giveBack(): void {
    this.#free += 1
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    next()
  }
}
