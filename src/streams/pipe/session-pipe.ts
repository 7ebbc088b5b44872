import { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { BehaviorSubject, Observable } from 'rxjs'
import { defaults } from '../../config/defaults.js'
import { ThroughlineError, type ErrorCode, type Failure } from '../../errors/index.js'
import type { Session, SessionReader } from '../session/session.js'
import { MessageStream } from './message-stream.js'
import type { ConnectionState, Messages, Pipe, PipePath, PipeStats } from './types.js'

/** The application's Duplex over a session. Owned by the application; destroyed when the session is closed. */
export class SessionPipe extends Duplex implements Pipe, SessionReader {
  readonly #session: Session
  readonly #path$: BehaviorSubject<PipePath>
  readonly #state$ = new BehaviorSubject<ConnectionState>('connected')
  #isWanted = false
  #hasEnded = false
  #isClosing = false

  /** See `Pipe`. */
  readonly elapsedMs: number

  constructor(session: Session, path: PipePath, elapsedMs: number) {
    super({ allowHalfOpen: true, readableHighWaterMark: bufferBytes, writableHighWaterMark: bufferBytes })
    this.#session = session
    this.elapsedMs = elapsedMs
    this.#path$ = new BehaviorSubject(path)
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
      return () => this.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    })
  }

  get stats(): PipeStats {
    const { bytesIn, bytesOut, acknowledged, rttMs } = this.#session
    return { bytesIn, bytesOut, acknowledged, rttMs }
  }

  get isIdle(): boolean {
    return this.#session.isIdle && this.writableLength === 0
  }

  messages({ maxMessageBytes = defaults.messages.maxMessageBytes }: { readonly maxMessageBytes?: number } = {}): Messages {
    return new MessageStream(this, maxMessageBytes)
  }

  async close(): Promise<void> {
    if (this.destroyed && this.errored === null) return
    this.#isClosing = true
    this.resume()
    if (!this.writableEnded) this.end()
    await finished(this, { readable: false })
    if (this.destroyed) return
    const timer = setTimeout(() => this.#session.leave(), defaults.session.leaveAfterMs)
    await finished(this, { writable: false }).finally(() => clearTimeout(timer))
  }

  abort(code: ErrorCode): void {
    this.#session.abort(code, 'this side gave up the pipe')
    this.destroy(new ThroughlineError(code, 'this side gave up the pipe'))
  }

  override [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal */
  setPath(path: PipePath): void {
    this.#path$.next(path)
  }

  /** @internal The session has bytes, or its end. */
  onReadable(): void {
    if (this.#isWanted) this.#deliver()
  }

  /** @internal The session is over. */
  onOver(failure: Failure | undefined): void {
    this.#state$.next(failure === undefined ? 'closed' : 'failed')
    this.#state$.complete()
    this.#path$.complete()
    if (failure !== undefined) return void this.destroy(new ThroughlineError(failure.code, failure.message))
    this.#deliver()
    if (!this.#session.isDrained && this.#isClosing) this.destroy()
    else if (!this.writableEnded) this.end()
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

  #deliver(): void {
    for (let piece = this.#session.take(); piece !== undefined; piece = this.#isWanted ? this.#session.take() : undefined) {
      if (!this.push(piece)) this.#isWanted = false
    }
    if (this.#hasEnded || !this.#session.isDrained) return
    this.#hasEnded = true
    this.push(null)
  }
}

/** Each way; the session's window is what bounds the flow. */
const bufferBytes = 64 * 1_024

const ignore = () => {}

const closedEarly = () => new ThroughlineError('ERR_PIPE_CLOSED', 'the pipe was closed before its end')
