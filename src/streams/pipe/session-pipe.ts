import { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { BehaviorSubject, Observable, ReplaySubject } from 'rxjs'
import { defaults } from '../../config/defaults.js'
import { ThroughlineError, type ErrorCode, type Failure } from '../../errors/index.js'
import type { Session } from '../session/session.js'
import type { SessionReader } from '../session/types.js'
import { MessageStream } from './message-stream.js'
import type { ConnectionState, Messages, Pipe, PipePath, PipeStats, RepathOptions } from './types.js'

/** The application's Duplex over a session. Owned by the application; destroyed when the session is closed. */
export class SessionPipe extends Duplex implements Pipe, SessionReader {
  readonly #session: Session
  readonly #path$: BehaviorSubject<PipePath>
  /** Replays its last state also when all is over. */
  readonly #state$ = new ReplaySubject<ConnectionState>(1)
  #isWanted = false
  #hasEnded = false
  #isClosing = false
  readonly #repath: (options: RepathOptions) => Promise<PipePath>

  /** See `Pipe`. */
  readonly elapsedMs: number

  constructor(session: Session, path: PipePath, elapsedMs: number, repath: (options: RepathOptions) => Promise<PipePath>) {
    super({ allowHalfOpen: true, readableHighWaterMark: readBufferBytes, writableHighWaterMark: writeBufferBytes })
    this.#session = session
    this.elapsedMs = elapsedMs
    this.#repath = repath
    this.#path$ = new BehaviorSubject(path)
    this.#state$.next('connected')
    this.on('error', ignore)
    session.attachReader(this)
  }

  get session(): string {
    return this.#session.id
  }

  get protocol(): string {
    return this.#session.protocol
  }

  get role(): 'initiator' | 'responder' {
    return this.#session.role
  }

  get peer(): { readonly id: string } {
    return { id: this.#session.peerId }
  }

  get path(): PipePath {
    return { ...this.#path$.value, rttMs: this.#session.rttMs }
  }

  get path$(): Observable<PipePath> {
    return this.#path$.asObservable()
  }

  get state$(): Observable<ConnectionState> {
    return this.#state$.asObservable()
  }

  get data$(): Observable<Uint8Array> {
    return new Observable(subscriber => {
      const onData = (chunk: Uint8Array) => subscriber.next(chunk)
      const onEnd = () => subscriber.complete()
      const onError = (error: Error) => subscriber.error(error)
      const onClose = () => (this.readableEnded ? subscriber.complete() : subscriber.error(this.errored ?? closedEarly()))
      this.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
      if (this.closed) onClose()
      else this.resume()
      return () => {
        this.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
        // a flowing stream that nobody hears loses bytes
        if (this.listenerCount('data') === 0) this.pause()
      }
    })
  }

  get stats(): PipeStats {
    const { bytesIn, bytesOut, acknowledged, rttMs } = this.#session
    return { bytesIn, bytesOut, acknowledged, rttMs }
  }

  get isIdle(): boolean {
    return this.#session.isIdle && !this.#session.isStalled && this.writableLength === 0
  }

  messages({ maxMessageBytes = defaults.messages.maxMessageBytes }: { readonly maxMessageBytes?: number } = {}): Messages {
    return new MessageStream(this, maxMessageBytes)
  }

  repath(options: RepathOptions = {}): Promise<PipePath> {
    return this.#repath(options)
  }

  async close(): Promise<void> {
    if (this.destroyed && this.errored === null) return
    this.#isClosing = true
    this.resume()
    if (!this.writableEnded) this.end()
    await finished(this, { readable: false })
    if (this.closed) return
    const timer = setTimeout(() => this.#session.leave(), defaults.session.leaveAfterMs)
    await new Promise<void>(resolve => this.once('close', resolve))
    clearTimeout(timer)
  }

  abort(code: ErrorCode): void {
    this.#session.abort(code, 'this side gave up the pipe')
    this.destroy(new ThroughlineError(code, 'this side gave up the pipe'))
  }

  override [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Leaves our side open when it has read to the end, unlike a Readable's: a pipe has two directions. Leaving early destroys it. */
  override async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined> {
    let isWhole = false
    try {
      yield* this.iterator({ destroyOnReturn: false })
      isWhole = true
    } finally {
      if (!isWhole) this.destroy()
    }
  }

  /** @internal */
  setPath(path: PipePath): void {
    this.#path$.next(path)
  }

  /** @internal The session has bytes, or its end. */
  onReadable(): void {
    if (this.#isWanted) this.#deliver()
  }

  /** @internal No path answers. */
  onStalled(): void {
    this.#state$.next('recovering')
  }

  /** @internal A path answers again. */
  onResumed(): void {
    this.#state$.next('connected')
  }

  /** @internal The session is over. */
  onOver(failure: Failure | undefined): void {
    this.#state$.next(failure === undefined ? 'closed' : 'failed')
    this.#state$.complete()
    this.#path$.complete()
    if (failure !== undefined) return void this.destroy(new ThroughlineError(failure.code, failure.message))
    this.#deliver()
    if (!this.writableEnded) this.#endForPeer()
    // only now: 'finish' comes first, so that whoever waits for it hears of a clean end
    if (this.#isClosing && !this.readableEnded) setImmediate(() => this.destroy())
  }

  override _read(): void {
    this.#isWanted = true
    this.#deliver()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#session.write(chunk, callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    const last = chunks.length - 1
    chunks.forEach(({ chunk }, index) => this.#session.write(chunk, index === last ? callback : ignore))
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#session.end(callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const code = ThroughlineError.is(error) ? error.code : 'ERR_PIPE_ABORTED'
    // `for await` destroys a Duplex once it has read to the end; what was written is still on its way then
    if (error !== null || !this.#session.isEnding) this.#session.abort(code, error?.message ?? 'this side destroyed the pipe')
    callback(error)
  }

  /** The peer has left with everything: our side ends, and a late writer is told why it cannot. */
  #endForPeer(): void {
    this.end()
    const refuse = (args: readonly unknown[]) => {
      const error = new ThroughlineError('ERR_PIPE_CLOSED', 'the other end has closed the pipe')
      const done = args.find(argument => typeof argument === 'function')
      if (done !== undefined) process.nextTick(done, error)
      this.destroy(error)
    }
    const isData = (argument: unknown) => argument !== undefined && argument !== null && typeof argument !== 'function'
    const end = this.end.bind(this) as (...args: unknown[]) => this
    this.write = (...args: unknown[]) => {
      refuse(args)
      return false
    }
    this.end = (...args: unknown[]) => {
      if (!isData(args[0])) return end(...args)
      refuse(args)
      return this
    }
  }

  #deliver(): void {
    for (let piece = this.#session.take(); piece !== undefined; piece = this.#isWanted ? this.#session.take() : undefined) {
      if (!this.push(piece)) this.#isWanted = false
    }
    if (this.#hasEnded || !this.#session.isDrained) return
    this.#hasEnded = true
    this.push(null)
  }
}

/** The session's window is what bounds the flow. */
const readBufferBytes = 64 * 1_024
/** What is written while the socket is busy leaves it in one go. */
const writeBufferBytes = 128 * 1_024

const ignore = () => {}

const closedEarly = () => new ThroughlineError('ERR_PIPE_CLOSED', 'the pipe was closed before its end')
