import type { Clock } from '../../net/clock.js'
import { ReceiveBuffer } from './receive-buffer.js'
import { ReceiveWindow } from './receive-window.js'
import type { Offsets } from './types.js'
import type { WindowPool } from './window-pool.js'

/** What the receiving half needs of its session. */
export interface InboundUser {
  readonly rttMs: () => number
  readonly sendAck: (offsets: Offsets) => void
  /** Lets what was sent leave now. */
  readonly flush: () => void
}

/** The receiving half of a session: bytes in order, the credit for more, and their acknowledgement. */
export class Inbound {
  readonly #clock: Clock
  readonly #user: InboundUser
  readonly #buffer = new ReceiveBuffer()
  readonly #window: ReceiveWindow
  #acknowledgedOffset = 0
  #cancelAck: (() => void) | undefined
  #isClosed = false

  constructor(clock: Clock, pool: WindowPool, user: InboundUser) {
    this.#clock = clock
    this.#user = user
    this.#window = new ReceiveWindow(pool, clock.now())
  }

  /** Bytes received, the FIN not counted. */
  get receivedBytes(): number {
    return this.#buffer.receivedBytes
  }

  /** True when everything up to the peer's FIN is here. */
  get isComplete(): boolean {
    return this.#buffer.isComplete
  }

  /** True when the application has taken everything up to the peer's FIN. */
  get isDrained(): boolean {
    return this.#buffer.isDrained
  }

  get offsets(): Offsets {
    return { receivedOffset: this.#buffer.received, maxOffset: this.#window.maxOffset }
  }

  /** Takes a piece; false when it is out of order or beyond the credit. `mayLeap`: on a new channel it may run ahead of the old one. */
  accept(offset: number, bytes: Buffer, mayLeap: boolean): boolean {
    if (!this.#buffer.accept(offset, bytes, this.#window.maxOffset, mayLeap)) return false
    this.#scheduleAck()
    return true
  }

  /** Takes a FIN, and acknowledges it at once; false when it is at a wrong offset. */
  finish(offset: number, mayLeap: boolean): boolean {
    if (!this.#buffer.finish(offset, mayLeap)) return false
    this.#sendAck()
    return true
  }

  /** The next piece for the application; undefined when there is none now. */
  take(): Buffer | undefined {
    const piece = this.#buffer.take()
    if (piece !== undefined && this.#window.wantsUpdate(this.#buffer.taken)) {
      this.#sendAck()
      // a turn reads all there is: at its end the peer would have run out of credit
      this.#user.flush()
    }
    return piece
  }

  /** Sends an ACK soon even if there is nothing new to acknowledge: it tells the responder that its ACCEPT arrived. */
  confirm(): void {
    this.#acknowledgedOffset = nothingYet
    this.#scheduleAck()
  }

  /** Gives borrowed credit back. What was received stays readable unless it is dropped. */
  close(): void {
    this.#isClosed = true
    this.#cancelAck?.()
    this.#window.close()
  }

  drop(): void {
    this.#buffer.clear()
  }

  /** Acknowledges within `ackDelayMs` what no window update acknowledged before. */
  #scheduleAck(): void {
    this.#cancelAck ??= this.#clock.after(ackDelayMs, () => {
      this.#cancelAck = undefined
      if (this.#buffer.received !== this.#acknowledgedOffset) this.#sendAck()
    })
  }

  #sendAck(): void {
    if (this.#isClosed) return
    const maxOffset = this.#window.update(this.#buffer.taken, this.#clock.now(), this.#user.rttMs())
    this.#acknowledgedOffset = this.#buffer.received
    this.#user.sendAck({ receivedOffset: this.#buffer.received, maxOffset })
  }
}

/** Differs from every offset, so that the next look sends an ACK. */
const nothingYet = -1

/** Long enough to ride on a window update, short against any round trip limit of the peer. */
const ackDelayMs = 20
