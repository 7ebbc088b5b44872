import { defaults } from '../../config/defaults.js'
import type { Clock } from '../../net/clock.js'
import { dataPerFrame } from '../../protocol/data-frames.js'
import { SendBuffer } from './send-buffer.js'
import type { Link } from './links.js'

/** What the sending half needs of its session. */
export interface OutboundUser {
  /** The channel in use; undefined when there is none. */
  readonly link: () => Link | undefined
  /** Something that wants an acknowledgement was sent. */
  readonly onSent: () => void
}

/** The sending half of a session: framed within the peer's credit, kept until acknowledged, ended by an acknowledged FIN. */
export class Outbound {
  readonly #clock: Clock
  readonly #user: OutboundUser
  readonly #buffer = new SendBuffer()
  #peerMaxOffset = 0
  #endRequested = false
  #finSent = false
  #finAcknowledged = false
  readonly #endWaiters: (() => void)[] = []
  #isFlushScheduled = false
  /** Bytes before this offset were given to the channel before, and may still come by it. */
  #oldEnd = 0
  #cancelRepeat: (() => void) | undefined
  /** What has yet to be sent again on this channel, before anything new. */
  #again: { readonly from: number; readonly end: number } | undefined
  /** So has the FIN. */
  #isFinDue = false

  constructor(clock: Clock, user: OutboundUser) {
    this.#clock = clock
    this.#user = user
  }

  /** Offset after the last byte that was sent. */
  get framed(): number {
    return this.#buffer.framed
  }

  get acknowledged(): number {
    return this.#buffer.acknowledged
  }

  /** True when every byte is with the peer. */
  get isSettled(): boolean {
    return this.#buffer.isSettled
  }

  /** True when every byte, and the FIN if it was sent, is acknowledged. */
  get isIdle(): boolean {
    return this.#buffer.isSettled && (!this.#finSent || this.#finAcknowledged)
  }

  get isEndRequested(): boolean {
    return this.#endRequested
  }

  get isEnded(): boolean {
    return this.#finAcknowledged
  }

  write(chunk: Uint8Array, done: (error?: Error) => void): void {
    this.#buffer.push(chunk, done)
    if (this.#buffer.waitingBytes >= flushAtOnceBytes) this.flush()
    else this.#scheduleFlush()
  }

  /** `done` is called when the FIN is acknowledged, or at `close`. */
  end(done: () => void): void {
    this.#endRequested = true
    if (this.#finAcknowledged) return done()
    this.#endWaiters.push(done)
    this.flush()
  }

  /** Bytes that travel with OPEN, or did with an earlier OPEN that got no answer. */
  sendFirst(link: Link, bytes: Uint8Array): void {
    if (this.#buffer.framed === 0) this.#buffer.push(bytes)
    const batch = this.#buffer.take(defaults.session.firstBytesMax)
    if (batch === undefined) this.#repeat(link, 0)
    else link.channel.write(batch)
    link.sent = this.#buffer.framed
  }

  /**
   * Sends on a new channel from where the peer says it is. While the channel before still works, what it was given is
   * left to it, for a new connection begins slowly and would hold back what comes next; what is not acknowledged after
   * a while is sent again.
   */
  resume(link: Link, peerReceived: number, old: Link | undefined): void {
    this.#cancelRepeat?.()
    // the old channel has all that was sent, and nothing before it is still on its way by an older one
    const isLeftToOld = old !== undefined && this.#again === undefined && this.#buffer.acknowledged >= this.#oldEnd && link.sent === 0
    this.#again = undefined
    if (isLeftToOld) this.#leaveTo(link)
    else this.#repeat(link, Math.max(peerReceived, link.sent))
    link.sent = this.#buffer.framed
    if (this.#finSent && !this.#finAcknowledged) this.#isFinDue = true
    this.flush()
  }

  #leaveTo(link: Link): void {
    const end = (this.#oldEnd = this.#buffer.framed)
    const { repeatMinMs, repeatRttFactor } = defaults.move
    this.#cancelRepeat = this.#clock.after(Math.max(repeatMinMs, repeatRttFactor * link.channel.rttMs), () => {
      if (this.#user.link() === link) this.#repeat(link, this.#buffer.acknowledged, end)
    })
  }

  #repeat(link: Link, from: number, end = this.#buffer.framed): void {
    this.#again = { from, end }
    this.#goOnRepeating(link)
  }

  /** As much as the link takes at once; the rest follows the acknowledgements. */
  #goOnRepeating(link: Link): void {
    if (this.#again === undefined) return
    const { end } = this.#again
    let from = Math.max(this.#again.from, this.#buffer.acknowledged)
    for (const repeated of this.#buffer.resend(from, end)) {
      if (from > this.#buffer.acknowledged && repeated.end > this.#buffer.acknowledged + maxInFlight(link)) break
      link.channel.write(repeated.frames)
      from = repeated.end
    }
    this.#again = from < end ? { from, end } : undefined
  }

  /** Takes an ACK; false when it acknowledges what was never sent. */
  acknowledge(receivedOffset: number, maxOffset: number): boolean {
    const isFinAck = this.#finSent && receivedOffset === this.#buffer.framed + 1
    if (!this.#buffer.acknowledge(isFinAck ? this.#buffer.framed : receivedOffset)) return false
    this.#peerMaxOffset = Math.max(this.#peerMaxOffset, maxOffset)
    if (isFinAck && !this.#finAcknowledged) {
      this.#finAcknowledged = true
      this.#callEndWaiters()
    }
    return true
  }

  /** Writes what waits, as far as credit and channel allow, then the FIN if it is its turn. */
  flush(): void {
    const link = this.#user.link()
    if (link === undefined) return
    this.#goOnRepeating(link)
    if (this.#again === undefined && this.#isFinDue) this.#repeatFin(link)
    while (this.#again === undefined && !link.isBlocked && this.#user.link() === link) {
      const batch = this.#buffer.take(this.#nextLength(link))
      if (batch === undefined) break
      link.sent = this.#buffer.framed
      const isReady = link.channel.write(batch)
      // one batch at a time: TLS would copy what waits behind it into fresh memory
      if (!isReady && link.channel.pendingBytes >= minPendingBytes) link.isBlocked = true
      this.#buffer.tellWriters()
      this.#user.onSent()
    }
    if (this.#again !== undefined || !this.#endRequested || this.#finSent || this.#buffer.waitingBytes > 0 || this.#user.link() !== link) return
    this.#finSent = true
    link.channel.send({ type: 'fin', offset: this.#buffer.framed })
    this.#user.onSent()
  }

  #repeatFin(link: Link): void {
    this.#isFinDue = false
    link.channel.send({ type: 'fin', offset: this.#buffer.framed })
  }

  /** Ends the timer. */
  stop(): void {
    this.#cancelRepeat?.()
  }

  /** No byte will move any more: writers that still wait get `error`; who waits for the end is told when `isWhole`. */
  close(error: Error, isWhole: boolean): void {
    this.stop()
    for (const done of this.#buffer.drop()) done(error)
    if (isWhole) this.#callEndWaiters()
    this.#endWaiters.length = 0
  }

  /**
   * Bytes of the next batch. In a large flow whole frames only, each a TLS record: a record of a few bytes costs the
   * peer as much as a full one. What is left rides with the next bytes, or goes once the socket is free.
   */
  #nextLength(link: Link): number {
    const { batchBytes } = link
    const { waitingBytes, framed, acknowledged, isAllAcknowledged } = this.#buffer
    const limit = Math.min(this.#peerMaxOffset, acknowledged + maxInFlight(link))
    const length = Math.min(waitingBytes, limit - framed, batchBytes)
    if (length >= minPendingBytes) return length - (length % dataPerFrame)
    // credit for less than a frame: more is on its way
    const isShortOfCredit = length < Math.min(waitingBytes, dataPerFrame)
    return isShortOfCredit && !isAllAcknowledged ? 0 : length
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    queueMicrotask(() => {
      this.#isFlushScheduled = false
      this.flush()
    })
  }

  #callEndWaiters(): void {
    for (const done of this.#endWaiters.splice(0)) done()
  }
}

/** A relay that is full in both directions may stop for good (defaults.relay). */
const maxInFlight = ({ channel }: Link): number => (channel.via?.strategy === 'relay' ? defaults.relay.maxInFlight : defaults.session.maxWindow)

/** What may wait in the socket before writers are held back: small writes go on. */
const minPendingBytes = 32 * 1_024
/** Below this, writes of one turn of the event loop are framed together. */
const flushAtOnceBytes = 64 * 1_024
