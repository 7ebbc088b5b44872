import { defaults } from '../../config/defaults.js'
import type { VolleyRequest } from './volley-request.js'

const { burstEveryMs, burstBatch } = defaults.punch

/** What the rest of a volley has to do with its bursts. */
interface BurstHooks {
  readonly fire: (count: number) => void
  /** The last SYN has left. */
  readonly onOver: () => void
}

/**
 * The SYNs of a birthday punch, when it is its turn: so many at once, then a pause. While something that came up is in securing
 * the next burst waits: most likely it is not needed, and a refused SYN may end the mapping of what came up.
 */
export class Bursts {
  readonly #request: VolleyRequest
  readonly #hooks: BurstHooks
  #cancel: (() => void) | undefined
  #leave: (() => void) | undefined
  #state: 'resting' | 'waiting' | 'sending' = 'resting'
  #hasBegun = false

  constructor(request: VolleyRequest, hooks: BurstHooks) {
    this.#request = request
    this.#hooks = hooks
  }

  /** It is not its turn yet. */
  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** SYNs are still to leave. */
  get isPending(): boolean {
    return this.#state !== 'resting'
  }

  /** Sizes of the bursts; once. What was started is to be stopped. */
  start(sizes: readonly number[]): void {
    this.#state = 'waiting'
    this.#leave = this.#request.takeTurn(() => {
      this.#state = 'sending'
      this.#hasBegun = true
      this.#send(sizes, 0)
    })
  }

  /** Idempotent. */
  stop(): void {
    this.#state = 'resting'
    this.#cancel?.()
    this.#cancel = undefined
    this.#leave?.()
    this.#leave = undefined
  }

  #send(sizes: readonly number[], place: number): void {
    const startedAtMs = this.#request.clock.now()
    const next = () => this.#after(Math.max(0, startedAtMs + burstEveryMs - this.#request.clock.now()), () => this.#send(sizes, place + 1))
    const size = sizes[place]
    // the turn lasts as long as its last burst
    if (size === undefined) return this.stop()
    if (this.#request.isSecuring()) return this.#after(burstEveryMs, () => this.#send(sizes, place))
    this.#batch(size, () => {
      if (place === sizes.length - 1) {
        this.#state = 'resting'
        this.#hooks.onOver()
      }
      next()
    })
  }

  /** In parts, between which the process does other things. */
  #batch(left: number, then: () => void): void {
    this.#hooks.fire(Math.min(left, burstBatch))
    if (left <= burstBatch) return then()
    this.#after(0, () => this.#batch(left - burstBatch, then))
  }

  #after(delayMs: number, run: () => void): void {
    this.#cancel = this.#request.clock.after(delayMs, () => {
      this.#cancel = undefined
      run()
    })
  }
}
