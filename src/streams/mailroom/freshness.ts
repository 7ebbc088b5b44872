import { createHmac, timingSafeEqual } from 'node:crypto'
import { defaults } from '../../config/defaults.js'

const nonceBytes = 16
const windowMs = 60_000

/**
 * Decides whether an offer or look-up is fresh (protocol 4.2 step 5): its time is near ours and not long before our start, or it
 * carries a nonce we gave its sender in the last minutes. Keeps nothing but a secret.
 */
export class Freshness {
  readonly #secret: Uint8Array
  readonly #startedAtMs: number

  /** `secret`: 32 random bytes of this process; `startedAtMs`: Unix epoch. */
  constructor(secret: Uint8Array, startedAtMs: number) {
    this.#secret = secret
    this.#startedAtMs = startedAtMs
  }

  isFresh(letter: { readonly senderId: string; readonly timeMs: number }, nonce: Uint8Array | undefined, nowMs: number): boolean {
    const isNear = Math.abs(letter.timeMs - nowMs) <= defaults.signalling.clockToleranceMs && letter.timeMs >= this.#startedAtMs - defaults.signalling.startSlackMs
    return isNear || (nonce !== undefined && this.#isOurs(letter.senderId, nonce, nowMs))
  }

  /** What the sender has to send along the next time. */
  nonceFor(senderId: string, nowMs: number): Buffer {
    return this.#nonce(senderId, Math.floor(nowMs / windowMs))
  }

  #isOurs(senderId: string, nonce: Uint8Array, nowMs: number): boolean {
    if (nonce.length !== nonceBytes) return false
    const minute = Math.floor(nowMs / windowMs)
    return [minute, minute - 1, minute - 2].some(candidate => timingSafeEqual(this.#nonce(senderId, candidate), nonce))
  }

  #nonce(senderId: string, minute: number): Buffer {
    return createHmac('sha256', this.#secret).update(`${senderId}/${minute}`).digest().subarray(0, nonceBytes)
  }
}
