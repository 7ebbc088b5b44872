import { Duplex } from 'node:stream'
import { BehaviorSubject, EMPTY, NEVER, of } from 'rxjs'
import type { AnyActorRef } from 'xstate'
import { ThroughlineError, type ErrorCode } from '../../../src/errors/index.js'
import type { Attempt, AttemptReport, DialOptions, HandleOptions, Messages, Node, NodeOptions, Pipe, PipePath } from '../../../src/node/types.js'

const path: PipePath = { strategy: 'direct', scope: 'local', family: 4, local: '127.0.0.1:40000', remote: '127.0.0.1:50000', rttMs: 0.5 }
const ids = { initiator: 'i'.repeat(52), responder: 'r'.repeat(52) }

/** One end of an in-memory pipe: back-pressure, half-close, acknowledged by being read at the other end. */
export class FakePipe extends Duplex implements Pipe {
  readonly elapsedMs = 5
  readonly session = 'ab'.repeat(16)
  readonly path = path
  readonly path$ = of(path)
  readonly state$ = new BehaviorSubject('connected' as const)
  readonly data$ = NEVER
  readonly peer: { readonly id: string }
  abortedWith: ErrorCode | undefined
  other!: FakePipe
  #bytesIn = 0
  #bytesOut = 0
  #onTaken: (() => void) | undefined

  readonly role: 'initiator' | 'responder'
  readonly protocol: string

  constructor(role: 'initiator' | 'responder', protocol: string) {
    super({ allowHalfOpen: true, readableHighWaterMark: 1_024, writableHighWaterMark: 1_024 })
    this.role = role
    this.protocol = protocol
    this.peer = { id: ids[role === 'initiator' ? 'responder' : 'initiator'] }
    this.on('error', () => {})
  }

  get stats() {
    return { bytesIn: this.#bytesIn, bytesOut: this.#bytesOut, acknowledged: this.other.#bytesIn, rttMs: 0.5 }
  }

  get isIdle(): boolean {
    return this.#bytesOut === this.other.#bytesIn
  }

  repath(): Promise<never> {
    return Promise.reject(new Error('a fake has one path'))
  }

  messages(): Messages {
    throw new Error('the command does not use messages')
  }

  override _read(): void {
    const taken = this.#onTaken
    this.#onTaken = undefined
    taken?.()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#bytesOut += chunk.length
    this.other.#bytesIn += chunk.length
    if (this.other.push(chunk)) callback()
    else this.other.#onTaken = callback
  }

  override _final(callback: () => void): void {
    this.other.push(null)
    callback()
  }

  async close(): Promise<void> {
    if (this.destroyed) return
    this.resume()
    if (!this.writableEnded) this.end()
  }

  abort(code: ErrorCode): void {
    this.abortedWith = code
    this.other.destroy(new ThroughlineError(code, 'the other side gave up the pipe'))
    this.destroy(new ThroughlineError(code, 'this side gave up the pipe'))
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Both ends of one pipe. */
export function pipePair(protocol = ''): { near: FakePipe; far: FakePipe } {
  const near = new FakePipe('initiator', protocol)
  const far = new FakePipe('responder', protocol)
  near.other = far
  far.other = near
  return { near, far }
}

/** A node whose dials end in `onDial`, and whose handlers `open` reaches. */
export class FakeNode implements Node {
  readonly id = ids.responder
  readonly name = undefined
  readonly address = 'tl1fake'
  readonly address$ = new BehaviorSubject('tl1fake')
  readonly pipes$ = EMPTY
  readonly state$ = of('online')
  readonly network$ = EMPTY
  readonly actor = {} as AnyActorRef
  readonly degraded = ['signalling']
  readonly dials: { readonly peer: string; readonly options: DialOptions }[] = []
  readonly handlers = new Map<string, { handler: (pipe: Pipe) => void; accept?: HandleOptions['accept'] }>()
  isClosed = false

  readonly options: NodeOptions
  readonly onDial: (far: FakePipe) => void
  readonly failure: ThroughlineError | undefined

  constructor(options: NodeOptions = {}, onDial: (far: FakePipe) => void = () => {}, failure?: ThroughlineError) {
    this.options = options
    this.onDial = onDial
    this.failure = failure
  }

  dial(peer: string, options: DialOptions = {}): Attempt {
    this.dials.push({ peer, options })
    const { near, far } = pipePair(options.protocol)
    const report: AttemptReport = {
      session: near.session,
      attempt: 'cd'.repeat(16),
      peerId: ids.responder,
      protocol: options.protocol ?? '',
      strategies: ['direct'],
      mode: 'race',
      state: this.failure === undefined ? 'connected' : 'failed',
      startedAtMs: 1_000,
      elapsedMs: 12.34,
      signalling: { state: 'online', brokers: [] },
      candidates: [],
      verdict: this.failure === undefined ? { code: 'OK', text: 'the direct path is the best there is', advice: '' } : { code: this.failure.code, text: this.failure.message, advice: 'do this' },
    }
    const record = { id: 'c1', ...path, startedAtMs: 1_000, updatedAtMs: 1_005.5 }
    const candidates = [
      { ...record, status: 'dialling' as const },
      this.failure === undefined ? { ...record, status: 'elected' as const } : { ...record, status: 'failed' as const, error: { code: 'ERR_DIAL_REFUSED' as const, message: 'refused' } },
    ]
    const pipe = this.failure === undefined ? Promise.resolve(near) : Promise.reject(this.failure)
    pipe.then(() => this.onDial(far), () => {})
    return {
      session: near.session,
      state$: of('resolving' as const, 'connecting' as const, this.failure === undefined ? ('connected' as const) : ('failed' as const)),
      candidates$: of(...candidates),
      actor: {} as AnyActorRef,
      pipe,
      report: () => ({ ...report, candidates: candidates.slice(1) }),
    }
  }

  async connect(peer: string, options?: DialOptions): Promise<Pipe> {
    return this.dial(peer, options).pipe
  }

  handle(protocol: string, handler: (pipe: Pipe) => void, { accept }: HandleOptions = {}): () => void {
    this.handlers.set(protocol, { handler, ...(accept === undefined ? {} : { accept }) })
    return () => this.handlers.delete(protocol)
  }

  /** A peer's end of a new pipe, or the code it was refused with. */
  open(protocol = ''): FakePipe | ErrorCode {
    const entry = this.handlers.get(protocol)
    if (entry === undefined) return 'ERR_UNHANDLED_PROTOCOL'
    const answer = entry.accept?.() ?? true
    if (answer !== true) return answer
    const { near, far } = pipePair(protocol)
    entry.handler(far)
    return near
  }

  async settled(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
