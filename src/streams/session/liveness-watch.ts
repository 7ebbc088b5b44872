import { defaults } from '../../config/defaults.js'
import type { Clock } from '../../net/clock.js'
import { nextStep } from './liveness.js'

/** What the watch does to a session. */
export interface LivenessUser {
  /** True while something of ours waits for acknowledgement. */
  isBusy(): boolean
  ping(token: number): void
  /** The peer is silent too long: another path is worth looking for. */
  suspect(): void
  /** It was suspected, and speaks. */
  trust(): void
  giveUp(): void
}

/** Asks a silent peer for a sign of life and gives it up in the end (protocol 5); owns the one timer for that. */
export class LivenessWatch {
  readonly #clock: Clock
  readonly #user: LivenessUser
  #rttMs = 0
  /** The least of this channel: an answer that was held up by an outage or a queue must not make us patient. */
  #leastRttMs = 0
  #heardAtMs = 0
  #dataReceivedAtMs = Number.NEGATIVE_INFINITY
  #askedAtMs: number | undefined
  #isSuspected = false
  /** The first PING since the suspicion; its answer ends it. */
  #proofToken = 0
  #pingAtMs = 0
  #pingToken = 0
  #dueMs = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(clock: Clock, user: LivenessUser) {
    this.#clock = clock
    this.#user = user
  }

  /** True while the silence lasts that was told. */
  get isSuspected(): boolean {
    return this.#isSuspected
  }

  /** Of the latest PING, or of the channel's handshake. */
  get rttMs(): number {
    return this.#rttMs
  }

  /** A new channel: its handshake was a sign of life. */
  start(rttMs: number): void {
    this.#rttMs = this.#leastRttMs = rttMs
    this.#isSuspected = false
    this.heard()
    this.#look()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#dueMs = Number.POSITIVE_INFINITY
  }

  /** A frame came. It tells nothing of the other direction: a suspicion lasts until a PING is answered. */
  heard(): void {
    this.#heardAtMs = this.#clock.now()
    this.#askedAtMs = undefined
  }

  /** Our network changed under the channel: it is suspected at once. */
  suspect(): void {
    if (this.#cancel === undefined || this.#isSuspected) return
    this.#tellSuspicion()
    this.#look()
  }

  /** Bytes came with the frame just heard. */
  heardData(): void {
    this.#dataReceivedAtMs = this.#heardAtMs
    this.#lookSooner()
  }

  heardPong(token: number): void {
    if (!this.#isSuspected) {
      if (token === this.#pingToken) this.#noteRtt(this.#clock.now() - this.#pingAtMs)
    } else if (token >= this.#proofToken) {
      this.#isSuspected = false
      this.#user.trust()
    }
  }

  #noteRtt(rttMs: number): void {
    this.#rttMs = rttMs
    this.#leastRttMs = Math.min(this.#leastRttMs, rttMs)
  }

  /** Bytes that want an acknowledgement were sent. */
  sentData(): void {
    this.#lookSooner()
  }

  /** Data is under way: the idle timer would look too late. */
  #lookSooner(): void {
    if (this.#cancel !== undefined && this.#dueMs - this.#clock.now() > defaults.liveness.activeMs) this.#look()
  }

  #look(): void {
    this.#cancel?.()
    const nowMs = this.#clock.now()
    const step = nextStep({
      nowMs, heardAtMs: this.#heardAtMs, askedAtMs: this.#askedAtMs, isSuspected: this.#isSuspected, lastPingAtMs: this.#pingAtMs, rttMs: this.#leastRttMs,
      dataInFlight: this.#user.isBusy(), dataReceivedAtMs: this.#dataReceivedAtMs,
    })
    if (step.do === 'giveUp') {
      this.stop()
      return this.#user.giveUp()
    }
    this.#dueMs = nowMs + step.againInMs
    this.#cancel = this.#clock.after(step.againInMs, () => this.#look())
    if (step.do === 'ping') this.#ping(nowMs)
    if (step.do === 'suspect') this.#tellSuspicion()
  }

  #tellSuspicion(): void {
    this.#isSuspected = true
    this.#proofToken = this.#pingToken + 1
    this.#ping(this.#clock.now())
    this.#user.suspect()
  }

  #ping(nowMs: number): void {
    this.#askedAtMs ??= nowMs
    this.#pingAtMs = nowMs
    this.#pingToken = (this.#pingToken + 1) >>> 0
    this.#user.ping(this.#pingToken)
  }
}
