import { Observable, ReplaySubject, type Subscriber, type Subscription } from 'rxjs'
import { defaults } from '../../config/defaults.js'
import { ThroughlineError, isErrorCode, type ErrorCode, type Failure } from '../../errors/index.js'
import type { Channel } from '../../net/channel.js'
import type { Clock } from '../../net/clock.js'
import type { Frame, Open, Role } from '../../protocol/frames.js'
import { nextStep } from './liveness.js'
import { ReceiveBuffer } from './receive-buffer.js'
import { ReceiveWindow } from './receive-window.js'
import { SendBuffer } from './send-buffer.js'
import type { WindowPool } from './window-pool.js'

/** What became of an OPEN (protocol 5). `accepted`, `refused` and `lost` are final. */
export type OpenEvent =
  | { readonly type: 'open.pending' }
  | { readonly type: 'open.accepted' }
  | { readonly type: 'open.refused'; readonly failure: Failure }
  | { readonly type: 'open.lost'; readonly failure: Failure }

/** What the pipeSession machine hears of a session. All but `peer.ended` are final. */
export type SessionEvent =
  | { readonly type: 'peer.ended' }
  | { readonly type: 'session.finished' }
  | { readonly type: 'session.lost'; readonly failure: Failure }
  | { readonly type: 'session.aborted'; readonly by: 'self' | 'peer'; readonly failure: Failure }

/** The application's side of a session: told when there is something to read, and when all is over. */
export interface SessionReader {
  onReadable(): void
  /** No more bytes will move. A failure means that the stream is not whole. */
  onOver(failure: Failure | undefined): void
}

/** One channel in the service of a session. `old` ones are only read until they end. */
interface Link {
  readonly channel: Channel
  readonly epoch: number
  mode: 'opening' | 'current' | 'old'
  /** DATA up to here was written to this channel. */
  sent: number
  isBlocked: boolean
  subscription: Subscription | undefined
  readonly opener: Subscriber<OpenEvent> | undefined
}

/** Identity and environment of a session. */
export interface SessionOptions {
  readonly id: string
  readonly role: Role
  readonly peerId: string
  readonly protocol: string
  readonly clock: Clock
  readonly pool: WindowPool
}

/**
 * The byte engine of a pipe: frames with offsets, credit, acknowledgement and their ends, over one channel at a time
 * (protocol 5). It never decides about paths: it opens the channel it is given, and tells when one is lost. It always
 * reads its channels, so neither direction can stall the other.
 */
export class Session {
  readonly id: string
  readonly role: Role
  readonly peerId: string
  readonly protocol: string
  readonly #events$ = new ReplaySubject<SessionEvent>(4)
  readonly events$: Observable<SessionEvent> = this.#events$.asObservable()

  readonly #clock: Clock
  readonly #out = new SendBuffer()
  readonly #in = new ReceiveBuffer()
  readonly #window: ReceiveWindow
  #reader: SessionReader | undefined
  #current: Link | undefined
  /** Old channels still read; bounded by `maxOldLinks`. */
  readonly #old = new Set<Link>()
  #epoch = 0
  #isOver = false
  #outcome: { readonly failure: Failure | undefined } | undefined

  #peerMaxOffset = 0
  #endRequested = false
  #finSent = false
  #finAcknowledged = false
  readonly #endWaiters: (() => void)[] = []
  #isFlushScheduled = false

  #acknowledgedOffset = 0
  #cancelAck: (() => void) | undefined

  #rttMs = 0
  #heardAtMs = 0
  #dataReceivedAtMs = Number.NEGATIVE_INFINITY
  #askedAtMs: number | undefined
  #pingAtMs = 0
  #pingToken = 0
  #cancelLiveness: (() => void) | undefined
  #livenessDueMs = Number.POSITIVE_INFINITY

  constructor({ id, role, peerId, protocol, clock, pool }: SessionOptions) {
    this.id = id
    this.role = role
    this.peerId = peerId
    this.protocol = protocol
    this.#clock = clock
    this.#window = new ReceiveWindow(pool, clock.now())
  }

  get epoch(): number {
    return this.#epoch
  }

  get rttMs(): number {
    return this.#rttMs
  }

  /** The channel in use; undefined before the first and after the last. */
  get channel(): Channel | undefined {
    return this.#current?.channel
  }

  get bytesIn(): number {
    return this.#in.receivedBytes
  }

  get bytesOut(): number {
    return this.#out.framed
  }

  get acknowledged(): number {
    return this.#out.acknowledged
  }

  /** True when nothing of ours is on its way: an interrupted process may leave by FIN. */
  get isIdle(): boolean {
    return this.#out.isSettled && (!this.#finSent || this.#finAcknowledged)
  }

  /** True when the peer has ended and we asked to: what is left is acknowledgement. */
  get isEnding(): boolean {
    return this.#endRequested && this.#in.isComplete
  }

  /** Offsets for OPEN, ACCEPT and tombstones. */
  get offsets(): { readonly receivedOffset: number; readonly maxOffset: number } {
    return { receivedOffset: this.#in.received, maxOffset: this.#window.maxOffset }
  }

  /** Connects the application's side; there is one. */
  attachReader(reader: SessionReader): void {
    this.#reader = reader
    if (this.#in.received > 0) reader.onReadable()
    if (this.#outcome !== undefined) reader.onOver(this.#outcome.failure)
  }

  // ---- channels -------------------------------------------------------------------------------------------------

  /**
   * Initiator: asks the peer to carry the session on `channel`. The observable owns the channel until it says
   * `open.accepted`; unsubscribing before that ends the channel. `firstBytes` follow OPEN at once.
   */
  open(channel: Channel, { reason, firstBytes }: { reason: string; firstBytes?: Uint8Array }): Observable<OpenEvent> {
    return new Observable<OpenEvent>(opener => {
      const isEstablished = this.#peerMaxOffset > 0
      const link: Link = { channel, epoch: ++this.#epoch, mode: 'opening', sent: 0, isBlocked: false, subscription: undefined, opener }
      channel.send({ type: 'open', epoch: link.epoch, established: isEstablished, ...this.offsets, protocol: this.protocol, reason })
      if (!isEstablished && firstBytes !== undefined) this.#sendFirstBytes(link, firstBytes)
      this.#listen(link)
      return () => {
        if (link.mode !== 'opening') return
        link.subscription?.unsubscribe()
        channel.end()
      }
    })
  }

  /** Responder: takes `channel` into service after an authorised OPEN. The session owns it from here on. */
  accept(channel: Channel, open: Open): void {
    this.#epoch = open.epoch
    const link: Link = { channel, epoch: open.epoch, mode: 'current', sent: 0, isBlocked: false, subscription: undefined, opener: undefined }
    channel.send({ type: 'accept', epoch: open.epoch, ...this.offsets })
    this.#adopt(link, open.receivedOffset, open.maxOffset)
    this.#listen(link)
  }

  #sendFirstBytes(link: Link, firstBytes: Uint8Array): void {
    if (this.#out.framed === 0) this.#out.push(firstBytes)
    const batch = this.#out.take(defaults.session.firstBytesMax)
    for (const bytes of batch === undefined ? this.#out.resend(0) : [batch]) link.channel.write(bytes)
    link.sent = this.#out.framed
  }

  #listen(link: Link): void {
    const drained = link.channel.drained$.subscribe(() => {
      link.isBlocked = false
      this.#flush()
    })
    const frames = link.channel.frames$.subscribe({
      next: frame => this.#onFrame(link, frame),
      complete: () => this.#onEnd(link, { code: 'ERR_CONNECTION_LOST', message: 'the peer closed the connection without ending the stream' }),
      error: (failure: Failure) => this.#onEnd(link, failure),
    })
    frames.add(drained)
    link.subscription = frames
  }

  #adopt(link: Link, peerReceived: number, peerMaxOffset: number): void {
    this.#retireCurrent()
    link.mode = 'current'
    this.#current = link
    this.#rttMs = link.channel.rttMs
    this.#heardAtMs = this.#clock.now()
    this.#askedAtMs = undefined
    this.#onAck(link, peerReceived, peerMaxOffset)
    this.#watchLiveness()
    if (this.#isOver) return
    for (const bytes of this.#out.resend(Math.max(peerReceived, link.sent))) link.channel.write(bytes)
    if (this.#finSent && !this.#finAcknowledged) link.channel.send({ type: 'fin', offset: this.#out.framed })
    this.#flush()
  }

  #retireCurrent(): void {
    const old = this.#current
    if (old === undefined) return
    old.mode = 'old'
    this.#old.add(old)
    old.channel.end()
    const [eldest] = this.#old
    if (this.#old.size > maxOldLinks && eldest !== undefined) this.#dropOld(eldest)
  }

  #dropOld(link: Link): void {
    this.#old.delete(link)
    link.subscription?.unsubscribe()
    link.channel.destroy()
  }

  // ---- frames ---------------------------------------------------------------------------------------------------

  #onFrame(link: Link, frame: Frame): void {
    if (this.#isOver) return
    if (link.mode === 'opening') return this.#onOpening(link, frame)
    this.#heardAtMs = this.#clock.now()
    this.#askedAtMs = undefined
    switch (frame.type) {
      case 'data':
        return this.#onData(link, frame.offset, frame.bytes)
      case 'ack':
        this.#onAck(link, frame.receivedOffset, frame.maxOffset)
        return this.#flush()
      case 'fin':
        return this.#onFin(link, frame.offset)
      case 'abort':
        return this.#onAbort(frame.code)
      case 'ping':
        return link.channel.send({ type: 'pong', token: frame.token })
      case 'pong':
        return this.#onPong(frame.token)
      default:
        return link.channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message: `unexpected ${frame.type} on an open pipe` })
    }
  }

  #onOpening(link: Link, frame: Frame): void {
    const { opener, channel } = link
    switch (frame.type) {
      case 'hello':
        if (frame.session !== this.id) channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message: 'the peer answered for another session' })
        return
      case 'pending':
        return opener?.next({ type: 'open.pending' })
      case 'accept':
        if (frame.epoch !== link.epoch) return channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message: 'ACCEPT of another epoch' })
        this.#adopt(link, frame.receivedOffset, frame.maxOffset)
        opener?.next({ type: 'open.accepted' })
        return opener?.complete()
      case 'refuse':
        return this.#onRefused(link, frame.code)
      case 'abort':
        return this.#onRefused(link, frame.code)
      case 'ping':
        return channel.send({ type: 'pong', token: frame.token })
      default:
        return channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message: `unexpected ${frame.type} before ACCEPT` })
    }
  }

  #onRefused({ opener, channel }: Link, text: string): void {
    const code: ErrorCode = isErrorCode(text) ? text : 'ERR_REFUSED'
    opener?.next({ type: 'open.refused', failure: { code, message: `the peer refused the pipe: ${code}` } })
    opener?.complete()
    channel.end()
  }

  #onEnd(link: Link, failure: Failure): void {
    if (link.mode === 'old') return void this.#old.delete(link)
    if (link.mode === 'opening') {
      link.opener?.next({ type: 'open.lost', failure: { code: 'ERR_CHANNEL_LOST', message: failure.message } })
      return link.opener?.complete()
    }
    if (this.#isOver) return
    if (this.#in.isComplete && this.#out.isSettled) return this.#finish()
    const code = failure.code === 'ERR_PROTOCOL_VIOLATION' ? failure.code : 'ERR_CONNECTION_LOST'
    this.#lose({ code, message: failure.message })
  }

  #onData(link: Link, offset: number, bytes: Buffer): void {
    if (!this.#in.accept(offset, bytes, this.#window.maxOffset)) {
      return link.channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message: 'DATA out of order or beyond the credit' })
    }
    this.#dataReceivedAtMs = this.#heardAtMs
    this.#scheduleAck()
    this.#dueLiveness()
    this.#reader?.onReadable()
  }

  #onAck(link: Link, receivedOffset: number, maxOffset: number): void {
    const isFinAck = this.#finSent && receivedOffset === this.#out.framed + 1
    if (!this.#out.acknowledge(isFinAck ? this.#out.framed : receivedOffset)) {
      return link.channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message: 'the peer acknowledged bytes that were not sent' })
    }
    this.#peerMaxOffset = Math.max(this.#peerMaxOffset, maxOffset)
    if (isFinAck && !this.#finAcknowledged) {
      this.#finAcknowledged = true
      this.#callEndWaiters()
      this.#finishWhenDone()
    }
  }

  #onFin(link: Link, offset: number): void {
    if (!this.#in.finish(offset)) return link.channel.fail({ code: 'ERR_PROTOCOL_VIOLATION', message: 'FIN at a wrong offset' })
    this.#sendAck()
    this.#events$.next({ type: 'peer.ended' })
    this.#reader?.onReadable()
    this.#finishWhenDone()
  }

  #onAbort(text: string): void {
    const code: ErrorCode = isErrorCode(text) ? text : 'ERR_PIPE_ABORTED'
    const failure: Failure = { code, message: `the other end gave up the pipe (${code})` }
    this.#stop()
    this.#events$.next({ type: 'session.aborted', by: 'peer', failure })
  }

  // ---- the application's side -----------------------------------------------------------------------------------

  /** Accepts bytes to send; `done` is called when their memory is the caller's again (back-pressure). */
  write(chunk: Uint8Array, done: (error?: Error) => void): void {
    if (this.#outcome !== undefined) return done(new ThroughlineError('ERR_PIPE_CLOSED', 'the other end has closed the pipe'))
    this.#out.push(chunk, done)
    if (this.#out.waitingBytes >= flushAtOnceBytes) this.#flush()
    else this.#scheduleFlush()
  }

  /** Ends our direction; `done` is called when the peer has acknowledged every byte, or has left with all of them. */
  end(done: () => void): void {
    this.#endRequested = true
    if (this.#finAcknowledged || this.#outcome !== undefined) return done()
    this.#endWaiters.push(done)
    this.#flush()
  }

  /** The next piece for the application; undefined when there is none now. */
  take(): Buffer | undefined {
    const piece = this.#in.take()
    if (piece !== undefined && this.#window.wantsUpdate(this.#in.taken)) this.#sendAck()
    return piece
  }

  /** True when the application has read everything up to the peer's FIN. */
  get isDrained(): boolean {
    return this.#in.isDrained
  }

  /** Ends both directions at once; the peer sees `code`. */
  abort(code: ErrorCode, message: string): void {
    if (this.#isOver) return
    this.#current?.channel.send({ type: 'abort', code })
    this.#stop()
    this.#events$.next({ type: 'session.aborted', by: 'self', failure: { code, message } })
  }

  /** Leaves after our FIN was acknowledged, without waiting for the peer's. */
  leave(): void {
    if (!this.#isOver) this.#finish()
  }

  /** Tells the application how it ended, once; called by the pipeSession machine. */
  close(failure: Failure | undefined): void {
    this.#stop()
    if (this.#outcome !== undefined) return
    this.#outcome = { failure }
    this.#out.drop()
    if (failure !== undefined) this.#in.clear()
    this.#events$.complete()
    this.#reader?.onOver(failure)
    if (failure === undefined) this.#callEndWaiters()
    this.#endWaiters.length = 0
  }

  // ---- sending --------------------------------------------------------------------------------------------------

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    queueMicrotask(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const link = this.#current
    if (link === undefined || this.#isOver) return
    while (!link.isBlocked && this.#current === link) {
      const limit = Math.min(this.#peerMaxOffset, this.#out.acknowledged + defaults.session.maxWindow)
      const batch = this.#out.take(Math.min(limit - this.#out.framed, maxBatchBytes))
      if (batch === undefined) break
      link.sent = this.#out.framed
      const isReady = link.channel.write(batch)
      if (!isReady && link.channel.pendingBytes >= maxPendingBytes) link.isBlocked = true
      this.#out.tellWriters()
      this.#dueLiveness()
    }
    if (this.#endRequested && !this.#finSent && this.#out.waitingBytes === 0) {
      this.#finSent = true
      link.channel.send({ type: 'fin', offset: this.#out.framed })
      this.#dueLiveness()
    }
  }

  /** Acknowledges within `ackDelayMs` what no window update acknowledged before. */
  #scheduleAck(): void {
    this.#cancelAck ??= this.#clock.after(ackDelayMs, () => {
      this.#cancelAck = undefined
      if (this.#in.received !== this.#acknowledgedOffset) this.#sendAck()
    })
  }

  #sendAck(): void {
    const maxOffset = this.#window.update(this.#in.taken, this.#clock.now(), this.#rttMs)
    this.#acknowledgedOffset = this.#in.received
    this.#current?.channel.send({ type: 'ack', receivedOffset: this.#in.received, maxOffset })
  }

  // ---- liveness -------------------------------------------------------------------------------------------------

  /** Data is under way: the idle timer would look too late. */
  #dueLiveness(): void {
    if (this.#livenessDueMs - this.#clock.now() > defaults.liveness.activeMs) this.#watchLiveness()
  }

  #watchLiveness(): void {
    this.#cancelLiveness?.()
    this.#cancelLiveness = undefined
    if (this.#isOver || this.#current === undefined) return
    const nowMs = this.#clock.now()
    const step = nextStep({
      nowMs, heardAtMs: this.#heardAtMs, askedAtMs: this.#askedAtMs, lastPingAtMs: this.#pingAtMs, rttMs: this.#rttMs,
      dataInFlight: !this.isIdle, dataReceivedAtMs: this.#dataReceivedAtMs,
    })
    if (step.do === 'giveUp') return this.#lose({ code: 'ERR_PIPE_SILENT', message: 'the peer showed no sign of life for 15 s' })
    if (step.do === 'ping') this.#ping(nowMs)
    this.#livenessDueMs = nowMs + step.againInMs
    this.#cancelLiveness = this.#clock.after(step.againInMs, () => this.#watchLiveness())
  }

  #ping(nowMs: number): void {
    this.#askedAtMs ??= nowMs
    this.#pingAtMs = nowMs
    this.#pingToken = (this.#pingToken + 1) >>> 0
    this.#current?.channel.send({ type: 'ping', token: this.#pingToken })
  }

  #onPong(token: number): void {
    if (token === this.#pingToken) this.#rttMs = this.#clock.now() - this.#pingAtMs
  }

  // ---- ends -----------------------------------------------------------------------------------------------------

  #finishWhenDone(): void {
    if (this.#finAcknowledged && this.#in.isComplete) this.#finish()
  }

  #finish(): void {
    this.#stop()
    this.#events$.next({ type: 'session.finished' })
  }

  #lose(failure: Failure): void {
    this.#stop()
    this.#events$.next({ type: 'session.lost', failure })
  }

  #callEndWaiters(): void {
    for (const done of this.#endWaiters.splice(0)) done()
  }

  /** Ends all channels and timers; what was received stays readable. */
  #stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancelAck?.()
    this.#cancelLiveness?.()
    this.#window.close()
    this.#current?.channel.end()
  }
}

/** Channels of earlier epochs that are still read. */
const maxOldLinks = 4
/** Framed and written in one go; larger batches only cost memory. */
const maxBatchBytes = 256 * 1_024
/** What may wait in the socket before writers are held back. */
const maxPendingBytes = 256 * 1_024
/** Below this, writes of one turn of the event loop are framed together. */
const flushAtOnceBytes = 64 * 1_024
/** Long enough to ride on a window update, short against any round trip limit of the peer. */
const ackDelayMs = 20
