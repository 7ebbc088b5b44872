import { defaults } from '../../config/defaults.js'
import type { WindowPool } from './window-pool.js'

/**
 * Credit for the receiving half: how far the peer may send. Starts at the base window and doubles, from the pool, while
 * the application empties a whole window within two round trips (then the window is what limits the flow), up to what the
 * round trip can make use of.
 */
export class ReceiveWindow {
  readonly #pool: WindowPool
  #size: number = defaults.session.baseWindow
  #maxOffset: number = defaults.session.baseWindow
  #grantedAtMs: number

  constructor(pool: WindowPool, nowMs: number) {
    this.#pool = pool
    this.#grantedAtMs = nowMs
  }

  /** The peer may send bytes below this offset. */
  get maxOffset(): number {
    return this.#maxOffset
  }

  /** True when the application has taken so much that new credit is worth a frame. */
  wantsUpdate(consumed: number): boolean {
    return consumed + this.#size - this.#maxOffset >= this.#size / 2
  }

  /** Moves the credit on; called when an ACK is about to be sent. */
  update(consumed: number, nowMs: number, rttMs: number): number {
    if (this.wantsUpdate(consumed)) {
      if (nowMs - this.#grantedAtMs < growthRtts * rttMs) this.#grow(rttMs)
      this.#grantedAtMs = nowMs
      this.#maxOffset = Math.max(this.#maxOffset, consumed + this.#size)
    }
    return this.#maxOffset
  }

  /** Gives what was borrowed back to the pool. */
  close(): void {
    this.#pool.giveBack(this.#size - defaults.session.baseWindow)
    this.#size = defaults.session.baseWindow
  }

  #grow(rttMs: number): void {
    const { maxWindow, windowPerRttMs, handshakeCostMs } = defaults.session
    const useful = Math.min(maxWindow, Math.ceil(windowPerRttMs * Math.max(1, rttMs - handshakeCostMs)))
    this.#size += this.#pool.borrow(Math.max(0, Math.min(this.#size, useful - this.#size)))
  }
}

/** Half a window is granted at a time; at full flow that takes one round trip or less. */
const growthRtts = 2
