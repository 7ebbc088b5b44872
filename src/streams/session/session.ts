import { defer, ReplaySubject, type Observable } from 'rxjs'
import { ThroughlineError, isErrorCode, type ErrorCode, type Failure } from '../../errors/index.js'
import type { Channel } from '../../net/channel.js'
import type { Frame, Open, Role } from '../../protocol/frames.js'
import type { StrategyName } from '../../protocol/strategy.js'
import { Inbound } from './inbound.js'
import { answerPing, Links, violated, type Link } from './links.js'
import { LivenessWatch } from './liveness-watch.js'
import { Outbound } from './outbound.js'
import type { Offsets, OpenEvent, SessionEvent, SessionOptions, SessionReader } from './types.js'

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

  readonly #links: Links
  readonly #out: Outbound
  readonly #in: Inbound
  readonly #liveness: LivenessWatch
  #reader: SessionReader | undefined
  #hasOpened = false
  /** Whether there is a path that answers. */
  #condition: 'open' | 'suspected' | 'suspended' = 'open'
  #hasPeerEnded = false
  #isOver = false
  #outcome: { readonly failure: Failure | undefined } | undefined

  constructor({ id, role, peerId, protocol, clock, pool }: SessionOptions) {
    this.id = id
    this.role = role
    this.peerId = peerId
    this.protocol = protocol
    this.#links = new Links(id, clock, {
      onFrame: (link, frame) => this.#onFrame(link, frame),
      onDrained: () => this.#out.flush(),
      onAdopted: (link, stated, old) => this.#onAdopted(link, stated, old),
      onLost: (failure, isFinal) => this.#onLost(failure, isFinal),
      onOpeningOver: () => this.#trust(),
    })
    this.#out = new Outbound(clock, { link: () => this.#links.current, onSent: () => this.#liveness.sentData() })
    this.#in = new Inbound(clock, pool, {
      rttMs: () => this.#liveness.rttMs,
      sendAck: offsets => this.#links.current?.channel.send({ type: 'ack', ...offsets }),
      flush: () => this.#links.current?.channel.flush(),
    })
    this.#liveness = new LivenessWatch(clock, {
      isBusy: () => !this.#out.isIdle,
      ping: token => this.#links.current?.channel.send({ type: 'ping', token }),
      suspect: () => this.#suspect(),
      trust: () => this.#trust(),
      giveUp: () => this.#links.abandon({ code: 'ERR_PIPE_SILENT', message: 'the peer showed no sign of life for 15 s' }),
    })
  }

  get epoch(): number {
    return this.#links.epoch
  }

  get rttMs(): number {
    return this.#liveness.rttMs
  }

  /** The channel in use, or the last one; undefined before the first. */
  get channel(): Channel | undefined {
    return this.#links.channel
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

  /** True while no path answers. */
  get isStalled(): boolean {
    return this.#condition !== 'open'
  }

  /** True when nothing of ours is on its way: an interrupted process may leave by FIN. */
  get isIdle(): boolean {
    return this.#out.isIdle
  }

  /** True when the peer has ended and we asked to: what is left is acknowledgement. */
  get isEnding(): boolean {
    return this.#out.isEndRequested && this.#in.isComplete
  }

  /** True when the application has read everything up to the peer's FIN. */
  get isDrained(): boolean {
    return this.#in.isDrained
  }

  /** Offsets for OPEN, ACCEPT and tombstones. */
  get offsets(): Offsets {
    return this.#in.offsets
  }

  /** Connects the application's side; there is one. */
  attachReader(reader: SessionReader): void {
    this.#reader = reader
    if (this.#in.offsets.receivedOffset > 0) reader.onReadable()
    if (this.#outcome !== undefined) reader.onOver(this.#outcome.failure)
  }

  /**
   * Initiator: asks the peer to carry the session on `channel`. The observable owns the channel until it says
   * `open.accepted`; unsubscribing before that ends the channel. `firstBytes` follow OPEN at once.
   */
  open(channel: Channel, { reason, firstBytes }: { reason: string; firstBytes?: Uint8Array }): Observable<OpenEvent> {
    return defer(() => this.#links.open(channel, { established: this.#hasOpened, ...this.offsets, protocol: this.protocol, reason }, link => {
      if (!this.#hasOpened && firstBytes !== undefined) this.#out.sendFirst(link, firstBytes)
    }))
  }

  /** Responder: takes `channel` into service after an authorised OPEN. The session owns it from here on. */
  accept(channel: Channel, open: Open): void {
    this.#links.accept(channel, open, this.offsets)
  }

  /** Our network changed under the channel in use: it is suspected before its silence tells. */
  suspect(): void {
    this.#liveness.suspect()
  }

  /** Responder: asks the initiator for another path, by the channel in use. */
  wantPath(strategies: readonly StrategyName[]): void {
    this.#links.current?.channel.send({ type: 'wantPath', strategies })
  }

  /** Accepts bytes to send; `done` is called when their memory is the caller's again (back-pressure). */
  write(chunk: Uint8Array, done: (error?: Error) => void): void {
    if (this.#outcome !== undefined) return done(pipeClosed())
    this.#out.write(chunk, done)
  }

  /** Ends our direction; `done` is called when the peer has acknowledged every byte, or has left with all of them. */
  end(done: () => void): void {
    if (this.#outcome !== undefined) return done()
    this.#out.end(done)
  }

  /** The next piece for the application; undefined when there is none now. */
  take(): Buffer | undefined {
    return this.#in.take()
  }

  /** Ends both directions at once; the peer sees `code`. */
  abort(code: ErrorCode, message: string): void {
    if (this.#isOver) return
    this.#links.current?.channel.send({ type: 'abort', code })
    this.#conclude({ type: 'session.aborted', by: 'self', failure: { code, message } })
  }

  /** Leaves after our FIN was acknowledged, without waiting for the peer's. */
  leave(): void {
    if (this.#out.isEnded) this.#conclude({ type: 'session.finished' })
  }

  /** Tells the application how it ended, once; called by the pipeSession machine. What was received stays readable after a clean end. */
  close(failure: Failure | undefined): void {
    this.#stop()
    if (this.#outcome !== undefined) return
    const outcome = failure && this.#withCounts(failure)
    this.#outcome = { failure: outcome }
    this.#events$.complete()
    if (outcome === undefined) {
      this.#out.close(pipeClosed(), true)
      this.#reader?.onOver(undefined)
    } else {
      this.#in.drop()
      this.#reader?.onOver(outcome)
      this.#out.close(new ThroughlineError(outcome.code, outcome.message), false)
    }
  }

  #onAdopted(link: Link, stated: Offsets, old: Link | undefined): void {
    const isFirst = !this.#hasOpened
    this.#hasOpened = true
    this.#liveness.start(link.channel.rttMs)
    if (!this.#onAck(link, stated)) return
    this.#out.resume(link, stated.receivedOffset, this.#condition === 'open' ? old : undefined)
    if (this.role === 'initiator') this.#in.confirm()
    if (isFirst || this.#isOver) return
    this.#recover()
    this.#events$.next({ type: 'session.moved' })
  }

  #suspect(): void {
    if (this.#condition !== 'open') return
    this.#condition = 'suspected'
    this.#reader?.onStalled()
    this.#events$.next({ type: 'session.suspected' })
  }

  /** The channel in use speaks again; an OPEN under way decides by itself. */
  #trust(): void {
    if (this.#condition !== 'suspected' || this.#liveness.isSuspected || this.#links.isOpening) return
    this.#recover()
    this.#events$.next({ type: 'session.trusted' })
  }

  #recover(): void {
    if (this.#condition === 'open') return
    this.#condition = 'open'
    this.#reader?.onResumed()
  }

  #onFrame(link: Link, frame: Frame): void {
    if (link.mode === 'current') this.#liveness.heard()
    switch (frame.type) {
      case 'data':
        if (!this.#in.accept(frame.offset, frame.bytes, link.mayLeap)) return violated(link.channel, 'DATA out of order or beyond the credit')
        link.mayLeap = false
        this.#liveness.heardData()
        this.#reader?.onReadable()
        return this.#lookForEnd()
      case 'ack':
        if (this.#onAck(link, frame)) this.#out.flush()
        return
      case 'fin':
        return this.#onFin(link, frame.offset)
      case 'abort':
        return this.#onAbort(frame.code)
      case 'ping':
        return answerPing(link.channel, frame.token)
      case 'pong':
        return this.#liveness.heardPong(frame.token)
      case 'wantPath':
        if (this.role === 'responder') return violated(link.channel, 'WANT_PATH from the initiator')
        return this.#events$.next({ type: 'path.wanted', strategies: frame.strategies })
      default:
        return violated(link.channel, `unexpected ${frame.type} on an open pipe`)
    }
  }

  /** False when the channel had to be dropped, or all is over now. */
  #onAck(link: Link, { receivedOffset, maxOffset }: Offsets): boolean {
    if (!this.#out.acknowledge(receivedOffset, maxOffset)) {
      violated(link.channel, 'the peer acknowledged bytes that were not sent')
      return false
    }
    this.#finishWhenDone()
    return !this.#isOver
  }

  #onFin(link: Link, offset: number): void {
    if (!this.#in.finish(offset, link.mayLeap)) return violated(link.channel, 'FIN at a wrong offset')
    this.#lookForEnd()
  }

  /** The FIN may have come before what an old channel brings. */
  #lookForEnd(): void {
    if (this.#hasPeerEnded || !this.#in.isComplete) return
    this.#hasPeerEnded = true
    this.#events$.next({ type: 'peer.ended' })
    this.#reader?.onReadable()
    this.#finishWhenDone()
  }

  #onAbort(text: string): void {
    const code: ErrorCode = isErrorCode(text) ? text : 'ERR_PIPE_ABORTED'
    this.#conclude({ type: 'session.aborted', by: 'peer', failure: { code, message: `the other end gave up the pipe (${code})` } })
  }

  #onLost({ code, message }: Failure, isFinal: boolean): void {
    const isPeersFault = code === 'ERR_PROTOCOL_VIOLATION'
    if (this.#in.isComplete && this.#out.isSettled && !isPeersFault) return this.#conclude({ type: 'session.finished' })
    const failure: Failure = { code: code === 'ERR_CHANNEL_LOST' ? 'ERR_CONNECTION_LOST' : code, message }
    if (isFinal) return this.#conclude({ type: 'session.lost', failure })
    this.#liveness.stop()
    if (this.#condition === 'open') this.#reader?.onStalled()
    this.#condition = 'suspended'
    this.#events$.next({ type: 'session.suspended', failure, isClosedByPeer: this.channel?.isClosedByPeer === true })
  }

  /** Whoever lost a pipe wants to know what of it has arrived. */
  #withCounts({ code, message }: Failure): Failure {
    if (!lossCodes.includes(code)) return { code, message }
    return { code, message: `${message}; of ${this.bytesOut} bytes sent the peer has acknowledged ${this.acknowledged}` }
  }

  #finishWhenDone(): void {
    if (this.#out.isEnded && this.#in.isComplete) this.#conclude({ type: 'session.finished' })
  }

  #conclude(event: SessionEvent): void {
    if (this.#isOver) return
    this.#stop()
    this.#events$.next(event)
  }

  /** Ends all channels and timers. */
  #stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#liveness.stop()
    this.#in.close()
    this.#out.stop()
    this.#links.end()
  }
}

const lossCodes: readonly ErrorCode[] = ['ERR_CONNECTION_LOST', 'ERR_PIPE_SILENT', 'ERR_SESSION_UNKNOWN']

const pipeClosed = () => new ThroughlineError('ERR_PIPE_CLOSED', 'the other end has closed the pipe')
