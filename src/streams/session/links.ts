import { Observable, type Subscriber, type Subscription } from 'rxjs'
import { defaults } from '../../config/defaults.js'
import { isErrorCode, type ErrorCode, type Failure } from '../../errors/index.js'
import type { Channel } from '../../net/channel.js'
import type { Clock } from '../../net/clock.js'
import { dataPerFrame } from '../../protocol/data-frames.js'
import type { Frame, Open } from '../../protocol/frames.js'
import type { Offsets, OpenEvent } from './types.js'

/** One channel in the service of a session. `old` ones are only read until they end. */
export interface Link {
  readonly channel: Channel
  readonly epoch: number
  mode: 'opening' | 'current' | 'old'
  /** It takes over from a path that is silent or gone. */
  readonly isRecovery: boolean
  /** DATA up to here was written to this channel. */
  sent: number
  isBlocked: boolean
  /** Framed and written in one go at most. */
  batchBytes: number
  /** False while the peer may not have seen our ACCEPT. */
  isConfirmed: boolean
  /** The next DATA may leave a gap, which a channel before fills. */
  mayLeap: boolean
  subscription: Subscription | undefined
}

/** What the session does with its channels. */
export interface LinkUser {
  /** A frame of the current or an old channel. */
  onFrame(link: Link, frame: Frame): void
  /** The current channel takes bytes again. */
  onDrained(): void
  /** `link` carries the session from now on; the peer stated its offsets there. `old` still works, and brings what it was given. */
  onAdopted(link: Link, stated: Offsets, old: Link | undefined): void
  /** No channel is left, and none is coming. `isFinal`: nor will there be one, for the peer may never have seen our ACCEPT. */
  onLost(failure: Failure, isFinal: boolean): void
  /** An OPEN came to nothing; the channel in use stays. */
  onOpeningOver(): void
}

/** The channels of one session: the one in use, those being opened, and old ones read to their end (protocol 5). */
export class Links {
  readonly #sessionId: string
  readonly #clock: Clock
  readonly #user: LinkUser
  #current: Link | undefined
  /** Whom to tell what became of an OPEN; the attempt opens one at a time. */
  readonly #opening = new Map<Link, Subscriber<OpenEvent>>()
  /** Bounded by `maxOldLinks`. */
  readonly #old = new Set<Link>()
  /** The channel in use, or the last one there was. */
  #latest: Channel | undefined
  /** The peer has seen an ACCEPT. */
  #isProven = false
  #epoch = 0
  #isEnded = false
  /** Why the current channel went, while another may still take over. */
  #loss: Failure | undefined
  #cancelWait: (() => void) | undefined

  constructor(sessionId: string, clock: Clock, user: LinkUser) {
    this.#sessionId = sessionId
    this.#clock = clock
    this.#user = user
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The channel in use; undefined while there is none. */
  get current(): Link | undefined {
    return this.#isEnded ? undefined : this.#current
  }

  /** The channel in use, or the last one there was. */
  get channel(): Channel | undefined {
    return this.#latest
  }

  /** True while an OPEN of ours waits for its answer. */
  get isOpening(): boolean {
    return this.#opening.size > 0
  }

  /** Gives up the channel in use: nobody answers on it. */
  abandon(failure: Failure): void {
    const link = this.#current
    if (link === undefined || this.#isEnded) return
    link.subscription?.unsubscribe()
    link.channel.end()
    this.#current = undefined
    if (this.isOpening) this.#loss = failure
    else this.#user.onLost(failure, !this.#isProven)
  }

  /** Initiator: see `Session.open`. `sendAlong` may write what follows OPEN at once. */
  open(channel: Channel, request: Omit<Open, 'type' | 'epoch'>, sendAlong: (link: Link) => void): Observable<OpenEvent> {
    return new Observable(opener => {
      if (this.#isEnded) {
        channel.end()
        return tell(opener, { type: 'open.lost', failure: { code: 'ERR_CHANNEL_LOST', message: 'the pipe is closed' } })
      }
      const link = newLink(channel, ++this.#epoch, 'opening', request.reason)
      this.#opening.set(link, opener)
      channel.send({ type: 'open', epoch: link.epoch, ...request })
      sendAlong(link)
      channel.flush()
      this.#listen(link)
      return () => {
        if (link.mode !== 'opening') return
        link.subscription?.unsubscribe()
        channel.end()
        this.#forgetOpening(link)
      }
    })
  }

  /** Responder: answers an authorised OPEN and takes the channel into service. */
  accept(channel: Channel, open: Open, own: Offsets): void {
    if (this.#isEnded) return channel.end()
    this.#epoch = open.epoch
    const link = newLink(channel, open.epoch, 'current', open.reason)
    channel.send({ type: 'accept', epoch: open.epoch, ...own })
    channel.flush()
    this.#adopt(link, open)
    this.#listen(link)
  }

  /** Ends all channels by FIN. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelWait?.()
    this.#latest?.end()
    const failure: Failure = { code: 'ERR_CHANNEL_LOST', message: 'the pipe was closed' }
    for (const opener of [...this.#opening.values()]) tell(opener, { type: 'open.lost', failure })
  }

  #listen(link: Link): void {
    const frames = link.channel.frames$.subscribe({
      next: frame => this.#onFrame(link, frame),
      complete: () => this.#onEnd(link, { code: 'ERR_CONNECTION_LOST', message: 'the peer closed the connection without ending the stream' }),
      error: (failure: Failure) => this.#onEnd(link, failure),
    })
    frames.add(link.channel.drained$.subscribe(() => {
      link.isBlocked = false
      link.batchBytes = Math.min(2 * link.batchBytes, maxBatchBytes)
      if (link === this.current) this.#user.onDrained()
    }))
    link.subscription = frames
  }

  #onFrame(link: Link, frame: Frame): void {
    if (this.#isEnded) return
    if (link.mode === 'opening') return this.#onOpening(link, frame)
    // the first bytes may have been on their way with OPEN; any other frame answers our ACCEPT
    if (!link.isConfirmed && frame.type !== 'data') this.#confirm(link)
    this.#user.onFrame(link, frame)
  }

  #onOpening(link: Link, frame: Frame): void {
    const { channel } = link
    const opener = this.#opening.get(link)
    switch (frame.type) {
      case 'hello':
        if (frame.session !== this.#sessionId) violated(channel, 'the peer answered for another session')
        return
      case 'pending':
        return opener?.next({ type: 'open.pending' })
      case 'accept':
        if (frame.epoch !== link.epoch) return violated(channel, 'ACCEPT of another epoch')
        this.#adopt(link, frame)
        return opener && tell(opener, { type: 'open.accepted' })
      case 'refuse':
      case 'abort': {
        const code: ErrorCode = isErrorCode(frame.code) ? frame.code : 'ERR_REFUSED'
        return opener && tell(opener, { type: 'open.refused', failure: { code, message: `the peer refused the pipe: ${code}` } })
      }
      case 'ping':
        return answerPing(channel, frame.token)
      default:
        return violated(channel, `unexpected ${frame.type} before ACCEPT`)
    }
  }

  #adopt(link: Link, stated: Offsets): void {
    this.#cancelWait?.()
    this.#loss = undefined
    if (link.mode === 'opening') this.#confirm(link)
    this.#opening.delete(link)
    const old = this.#current
    link.mayLeap = this.#latest !== undefined
    this.#retireCurrent()
    link.mode = 'current'
    this.#current = link
    this.#latest = link.channel
    this.#user.onAdopted(link, stated, old?.isConfirmed === true && !link.isRecovery ? old : undefined)
  }

  #confirm(link: Link): void {
    link.isConfirmed = true
    this.#isProven = true
  }

  #retireCurrent(): void {
    const old = this.#current
    if (old === undefined) return
    old.mode = 'old'
    this.#old.add(old)
    old.channel.end()
    const [eldest] = this.#old
    if (this.#old.size <= maxOldLinks || eldest === undefined) return
    this.#old.delete(eldest)
    eldest.subscription?.unsubscribe()
    eldest.channel.destroy()
  }

  #onEnd(link: Link, failure: Failure): void {
    if (link.mode === 'old') return void this.#old.delete(link)
    if (link.mode === 'opening') {
      const opener = this.#opening.get(link)
      return opener && tell(opener, { type: 'open.lost', failure: { code: 'ERR_CHANNEL_LOST', message: failure.message } })
    }
    if (this.#isEnded) return
    const isPeersFault = failure.code === 'ERR_PROTOCOL_VIOLATION'
    this.#loss = failure
    this.#current = undefined
    link.channel.end()
    // the end of the old channel may overtake the ACCEPT on the new one
    if (this.isOpening && !isPeersFault) return
    if (this.#isProven || isPeersFault) return this.#user.onLost(failure, isPeersFault)
    // the initiator may not have seen our ACCEPT: then it opens its next channel
    this.#cancelWait = this.#clock.after(defaults.dial.unusedChannelMs, () => this.#user.onLost(failure, true))
  }

  #forgetOpening(link: Link): void {
    this.#opening.delete(link)
    if (this.isOpening || this.#isEnded) return
    if (this.#loss === undefined) return this.#user.onOpeningOver()
    const loss = this.#loss
    this.#loss = undefined
    this.#user.onLost(loss, false)
  }
}

const newLink = (channel: Channel, epoch: number, mode: Link['mode'], reason: string): Link =>
  ({ channel, epoch, mode, isRecovery: reason === 'recovery', sent: 0, batchBytes: firstBatchBytes, isBlocked: false, isConfirmed: false, mayLeap: false, subscription: undefined })

/** The last word about an OPEN. */
function tell(opener: Subscriber<OpenEvent>, event: OpenEvent): void {
  opener.next(event)
  opener.complete()
}

/** Drops a channel whose peer broke the rules. */
export function violated(channel: Channel, message: string): void {
  channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message })
}

/** Unless the peer asks and never reads: it must not fill our memory. */
export function answerPing(channel: Channel, token: number): void {
  if (channel.pendingBytes < maxPendingPongBytes) channel.send({ type: 'pong', token })
}

/** What a fresh connection takes in a round trip or two: acknowledgements have to wait behind it. It doubles when the socket has taken it, */
const firstBatchBytes = 3 * dataPerFrame
/**
 * up to seven TLS records. Node hands the kernel ten buffers of 16 KiB in one call, so that all leave at once, and they
 * fit the processor's cache.
 */
const maxBatchBytes = 7 * dataPerFrame
/** Channels of earlier epochs that are still read. */
const maxOldLinks = 4
/** Twice what our own DATA lets wait in a socket. */
const maxPendingPongBytes = 1_024 * 1_024
