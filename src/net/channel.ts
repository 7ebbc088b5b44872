import type { TLSSocket } from 'node:tls'
import { Observable, Subject, type Subscriber } from 'rxjs'
import { defaults } from '../config/defaults.js'
import { ThroughlineError, toFailure, type Failure } from '../errors/index.js'
import type { PunchMethod } from '../nat/punch/volley.js'
import { familyOf, formatEndpoint, parseEndpoint, type Family } from '../protocol/endpoint.js'
import { FrameDecoder } from '../protocol/frame-decoder.js'
import { encodeFrame, type ControlFrame, type Frame } from '../protocol/frames.js'
import type { StrategyName } from '../protocol/strategy.js'
import type { SecuredSocket } from './secure.js'
import { errnoOf } from './socket-errors.js'

/**
 * A secured socket that speaks frames. It always reads: frames that come while nobody subscribes are parked (bounded),
 * so the end of the socket is noticed at once. Whoever holds the channel owns it and ends or destroys it.
 */
export class Channel {
  /** Key of the session it was made for, as long as it is in no session's service. */
  owner: string | undefined
  /** How it came up, where its maker knows more than that one side dialled. */
  via: { readonly strategy: StrategyName; readonly method?: PunchMethod; readonly relay?: string } | undefined
  readonly peerId: string
  readonly isTlsServer: boolean
  readonly local: string
  readonly remote: string
  readonly family: Family
  /** Round trip measured while it came up, ms: TCP's handshake where we dialled, else that of TLS; of a punch the lesser one. */
  readonly rttMs: number
  /**
   * Frames in order, for one subscriber at a time. Completes when the peer ended its side; fails with a `Failure` when
   * the channel broke or the peer violated the protocol.
   */
  readonly frames$: Observable<Frame>
  /** Emits when a `write` that returned false may go on. */
  readonly drained$ = new Subject<void>()

  readonly #socket: TLSSocket
  readonly #decoder = new FrameDecoder()
  #sink: Subscriber<Frame> | undefined
  readonly #parked: Frame[] = []
  #parkedBytes = 0
  #outcome: 'open' | 'ended' | Failure = 'open'
  #isClosedByPeer = false
  /** Control frames that wait for the end of this turn; bounded by what one turn brings. */
  #gathered: Buffer[] = []
  #gatheredBytes = 0

  /** `remote`: by a relay, the relayed endpoint, where the socket itself leads to the relay. */
  constructor({ socket, peerId, isServer, rttMs, remote }: SecuredSocket & { readonly remote?: string }) {
    this.#socket = socket
    this.peerId = peerId
    this.isTlsServer = isServer
    this.rttMs = rttMs
    this.local = endpointText(socket.localAddress, socket.localPort)
    this.remote = remote ?? endpointText(socket.remoteAddress, socket.remotePort)
    this.family = familyOf(parseEndpoint(this.remote)?.host ?? '')
    this.frames$ = new Observable(subscriber => this.#subscribe(subscriber))
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => {
      this.#isClosedByPeer = true
      this.#finish('ended')
    })
    socket.on('error', error => {
      this.#isClosedByPeer ||= errnoOf(error) === 'ECONNRESET'
      this.#finish({ code: 'ERR_CHANNEL_LOST', message: error.message })
    })
    socket.on('close', () => this.#finish({ code: 'ERR_CHANNEL_LOST', message: 'the connection closed' }))
    socket.on('drain', () => this.drained$.next())
  }

  /**
   * Sends a control frame. What one turn of the event loop brings leaves together, in one TLS record: HELLO with
   * OPEN or ACCEPT. A write to the kernel costs more than all else that is done for such a frame.
   */
  send(frame: ControlFrame): void {
    if (!this.#socket.writable) return
    if (this.#gathered.length === 0) setImmediate(() => this.flush())
    const bytes = encodeFrame(frame)
    this.#gathered.push(bytes)
    this.#gatheredBytes += bytes.length
  }

  /** Sends what was gathered now: the peer works on it while we go on. */
  flush(): void {
    const [first, second] = this.#gathered
    if (first === undefined) return
    const frames = second === undefined ? first : Buffer.concat(this.#gathered)
    this.#gathered = []
    this.#gatheredBytes = 0
    if (this.#socket.writable) this.#socket.write(frames)
  }

  /** Sends encoded DATA frames, with what was gathered before them; false asks to wait for `drained$`. Ignored once the channel is ended. */
  write(frames: Uint8Array): boolean {
    if (!this.#socket.writable) return true
    if (this.#gathered.length === 0) return this.#socket.write(frames)
    this.#socket.cork()
    this.flush()
    const isReady = this.#socket.write(frames)
    this.#socket.uncork()
    return isReady
  }

  /** Bytes handed to the socket and not yet to the kernel. */
  get pendingBytes(): number {
    return this.#socket.writableLength + this.#gatheredBytes
  }

  /** The other end has ended it, by FIN or RST: whatever it is, it is not merely out of reach. */
  get isClosedByPeer(): boolean {
    return this.#isClosedByPeer
  }

  get isOpen(): boolean {
    return this.#outcome === 'open' && this.#socket.writable
  }

  /**
   * Ends our side by FIN and keeps reading; the socket is destroyed when the peer has ended too, or after 2 s. A
   * socket destroyed with unread bytes would answer RST, which can tear down NAT mappings others still use.
   */
  end(): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    this.flush()
    this.#socket.end()
    const timer = setTimeout(() => this.#socket.destroy(), defaults.dial.lingerMs)
    timer.unref()
    this.#socket.once('close', () => clearTimeout(timer))
    this.#socket.once('finish', () => this.#socket.unref())
    this.#destroyWhenBothEnded()
  }

  /** Drops the channel at once. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Resolves when what was written, and the FIN if it was ended, is with the kernel, or the socket is gone. */
  flushed(): Promise<void> {
    this.flush()
    const socket = this.#socket
    if (socket.destroyed || (socket.writableEnded ? socket.writableFinished : socket.writableLength === 0)) return Promise.resolve()
    return new Promise(resolve => {
      socket.once('close', resolve)
      if (socket.writableEnded) socket.once('finish', resolve)
      else socket.write('', () => resolve())
    })
  }

  #subscribe(subscriber: Subscriber<Frame>): () => void {
    // one that has read what it wanted, from what was parked, makes room in the same turn
    if (this.#sink !== undefined && !this.#sink.closed) throw new ThroughlineError('ERR_INTERNAL', 'a channel has one reader at a time')
    this.#sink = subscriber
    for (let frame = this.#parked.shift(); frame !== undefined; frame = this.#parked.shift()) {
      subscriber.next(frame)
      if (subscriber.closed) break
    }
    if (this.#parked.length === 0) {
      this.#parkedBytes = 0
      this.#tellOutcome(subscriber)
    }
    return () => {
      if (this.#sink === subscriber) this.#sink = undefined
    }
  }

  #read(chunk: Buffer): void {
    if (this.#outcome !== 'open') return
    try {
      this.#decoder.push(chunk, frame => this.#emit(frame))
    } catch (error) {
      this.fail(toFailure(error, 'ERR_PROTOCOL_VIOLATION'))
    }
  }

  #emit(frame: Frame): void {
    if (this.#outcome !== 'open') return
    if (this.#sink !== undefined && !this.#sink.closed) return this.#sink.next(frame)
    if (this.#socket.writableEnded) return
    this.#parked.push(frame)
    this.#parkedBytes += parkedOverhead + (frame.type === 'data' ? frame.bytes.length : 0)
    if (this.#parkedBytes > defaults.session.maxParkedBytes) {
      throw new ThroughlineError('ERR_PROTOCOL_VIOLATION', 'the peer sent more than may wait before the pipe is open')
    }
  }

  /** Ends the channel because the peer broke the rules; its reader gets the failure. */
  fail(failure: Failure): void {
    this.#finish(failure)
    this.#socket.destroy()
  }

  #finish(outcome: 'ended' | Failure): void {
    if (this.#outcome !== 'open') return
    this.#outcome = outcome
    this.#destroyWhenBothEnded()
    if (this.#sink !== undefined) this.#tellOutcome(this.#sink)
  }

  #tellOutcome(subscriber: Subscriber<Frame>): void {
    if (this.#outcome === 'open') return
    if (this.#outcome === 'ended') subscriber.complete()
    else subscriber.error(this.#outcome)
  }

  #destroyWhenBothEnded(): void {
    if (this.#outcome === 'open' || !this.#socket.writableEnded) return
    if (this.#socket.writableFinished) this.#socket.destroy()
    else this.#socket.once('finish', () => this.#socket.destroy())
  }
}

/** A parked frame costs at least this much memory. */
const parkedOverhead = 64

const bareAddress = (address: string | undefined): string => (address ?? '').replace(/^::ffff:(?=\d+\.)/, '')

/** An endpoint as a socket shows it, in the form of `formatEndpoint`; IPv4 as such. */
export const endpointText = (address: string | undefined, port: number | undefined): string =>
  formatEndpoint({ host: bareAddress(address), port: port ?? 0 })
