import { defaults } from '../../config/defaults.js'
import { ThroughlineError, toFailure, type Failure } from '../../errors/index.js'
import type { RelayReach } from '../../nat/relay/relay-reach.js'
import { formatEndpoint } from '../../protocol/endpoint.js'
import { Channel, endpointText } from '../channel.js'
import { ChannelSteps, type ChannelInProgress, type ChannelStep } from '../channel-progress.js'
import type { Clock } from '../clock.js'
import { dialSocket, type Socket } from '../dial-socket.js'
import { endSocket } from '../end-socket.js'
import type { OutgoingRequest } from '../outgoing-channel.js'
import type { Securer } from '../secure.js'
import { errnoOf } from '../socket-errors.js'
import { secureByRole } from '../secure-by-role.js'
import type { TurnArrival } from '../turn/types.js'
import { firstByte } from './first-byte.js'
import type { SharedAllocation } from './shared-allocation.js'

/** Which way through which relay, for whom. `remote` is the relayed endpoint: ours where the peer is awaited, else the peer's. */
export interface RelayRequest extends OutgoingRequest {
  readonly relay: RelayReach
  /** Ours; only a dial needs none. */
  readonly allocation: SharedAllocation | undefined
  /** Asked before each connect to the peer's relayed endpoint; false leaves it out. */
  readonly maySend: () => boolean
}

const { maxDials, redialMs, maxWaiting } = defaults.relay

/**
 * A channel on its way by a relay. A relay hangs up on who has no permission yet, and the permission may be on its way: a
 * connect that is hung up before a byte came is made again a little later. Who proves to be somebody else, where we await
 * the peer, does not end the waiting. It holds the allocation while it lives, and so does a stream through it.
 */
export class RelayChannel implements ChannelInProgress {
  readonly startedAtMs: number
  readonly #request: RelayRequest
  readonly #securer: Securer
  readonly #clock: Clock
  readonly #steps = new ChannelSteps()
  readonly #stop = new AbortController()
  readonly #letGo: () => void
  readonly #cancelTimeout: () => void
  #local: string
  #isConnected = false
  #connects = 0
  /** Arrivals in securing; at most `maxWaiting`. */
  #securing = 0
  #hasTimedOut = false
  /** Of the last try that came to nothing. */
  #failure: Failure | undefined

  constructor(request: RelayRequest, securer: Securer, clock: Clock) {
    this.startedAtMs = clock.now()
    this.#request = request
    this.#securer = securer
    this.#clock = clock
    this.#local = request.bind ?? ''
    this.#letGo = request.allocation?.retain() ?? (() => {})
    this.#cancelTimeout = clock.after(request.timeoutMs, () => this.#expire())
    if (request.relay.way === 'await') this.#await()
    else void this.#connect()
  }

  get local(): string {
    return this.#local
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  follow(listener: (step: ChannelStep) => void): void {
    this.#steps.follow(listener)
  }

  abandon(): void {
    this.#steps.drop()
    this.#end()
  }

  /** Releases everything but a channel that was told. */
  #end(): void {
    this.#cancelTimeout()
    this.#stop.abort(over)
    this.#letGo()
  }

  #await(): void {
    const { allocation } = this.#request
    if (allocation === undefined) return this.#fail(gone)
    allocation.allocation.prepare()
    const arrivals = allocation.arrivals$.subscribe({ next: arrival => void this.#welcome(allocation, arrival), complete: () => this.#fail(gone) })
    this.#stop.signal.addEventListener('abort', () => arrivals.unsubscribe(), { once: true })
  }

  async #welcome(allocation: SharedAllocation, arrival: TurnArrival): Promise<void> {
    if (this.#stop.signal.aborted || this.#hasTimedOut || this.#securing >= maxWaiting) return
    this.#securing += 1
    try {
      const socket = await allocation.stream(() => arrival.accept(this.#limits))
      await this.#secure(socket, 0)
    } catch (error) {
      this.#failure = toFailure(error)
      this.#securing -= 1
      if (this.#hasTimedOut && this.#securing === 0) this.#giveUp()
    }
  }

  /** Connects until the peer's relay lets us stay. */
  async #connect(): Promise<void> {
    const { relay: { way }, remote, maySend } = this.#request
    for (let waitMs = redialMs; !this.#stop.signal.aborted; waitMs *= 2) {
      if (!maySend()) return this.#fail(this.#failure ?? { code: 'ERR_BUDGET', message: `${remote.host} was dialled often enough for strangers` })
      this.#connects += 1
      const wasHungUp = await this.#try(way)
      if (!wasHungUp) return
      if (this.#connects >= maxDials || this.#hasTimedOut) return this.#giveUp()
      await this.#wait(waitMs)
    }
  }

  /** One connect; true when it was hung up before a byte came. */
  async #try(way: RelayReach['way']): Promise<boolean> {
    const { remote, bind, allocation } = this.#request
    const startedAtMs = this.#clock.now()
    let socket: Socket | undefined
    try {
      if (way === 'connect') socket = await this.#stream(allocation)
      else socket = await dialSocket({ remote, ...this.#limits, ...(bind !== undefined && { localAddress: bind }) })
      await this.#secure(socket, this.#clock.now() - startedAtMs)
      return false
    } catch (error) {
      this.#failure = toFailure(error)
      if (isHungUp(error, socket)) return true
      this.#fail(this.#failure)
      return false
    }
  }

  async #stream(allocation: SharedAllocation | undefined): Promise<Socket> {
    if (allocation === undefined) throw new ThroughlineError(gone.code, gone.message)
    return allocation.stream(() => allocation.allocation.connect(this.#request.remote, this.#limits))
  }

  async #secure(socket: Socket, rttMs: number): Promise<void> {
    if (this.#stop.signal.aborted) return endSocket(socket)
    const { relay: { server, isAlone }, remote, openAhead, ...request } = this.#request
    if (!this.#isConnected) {
      this.#isConnected = true
      this.#local = endpointText(socket.localAddress, socket.localPort)
      this.#steps.tell({ type: 'connected', rttMs, atMs: this.#clock.now() })
    }
    // the initiator is TLS client, and speaks first
    if (request.role === 'responder') await this.#spoken(socket)
    const { channel, hello } = await secureByRole(socket, {
      ...request, securer: this.#securer, clock: this.#clock, signal: this.#stop.signal,
      toChannel: secured => {
        const channel = new Channel({ ...secured, remote: formatEndpoint(remote) })
        channel.via = { strategy: 'relay', relay: server }
        return channel
      },
      ...(isAlone && openAhead !== undefined && { openAhead }),
    })
    if (this.#stop.signal.aborted) return channel.end()
    this.#end()
    this.#steps.tell({ type: 'secured', channel, hello, atMs: this.#clock.now() })
  }

  async #spoken(socket: Socket): Promise<void> {
    try {
      await firstByte(socket, this.#stop.signal)
    } catch (error) {
      endSocket(socket)
      throw error
    }
  }

  /** For one step of many; the whole has a limit of its own. */
  get #limits() {
    return { timeoutMs: Math.max(1, this.#request.timeoutMs - (this.#clock.now() - this.startedAtMs)), signal: this.#stop.signal }
  }

  /** What is in securing may still come through. */
  #expire(): void {
    this.#hasTimedOut = true
    if (this.#request.relay.way === 'await' && this.#securing === 0) this.#giveUp()
  }

  #giveUp(): void {
    const { relay: { way }, remote } = this.#request
    const where = formatEndpoint(remote)
    const last = this.#failure === undefined ? '' : `; the last: ${this.#failure.message}`
    const seen = way === 'await' ? `nobody came to ${where}, or only others` : `the relay hung up all ${this.#connects} connections to ${where}, for the peer lets nobody in from here`
    this.#fail({ code: 'ERR_RELAY_UNMET', message: `${seen}${last}` })
  }

  #fail(failure: Failure): void {
    if (this.#stop.signal.aborted) return
    this.#end()
    this.#steps.tell({ type: 'failed', failure, atMs: this.#clock.now() })
  }

  #wait(ms: number): Promise<void> {
    return new Promise(resolve => {
      const { signal } = this.#stop
      const settle = () => {
        cancel()
        signal.removeEventListener('abort', settle)
        resolve()
      }
      const cancel = this.#clock.after(ms, settle)
      signal.addEventListener('abort', settle)
    })
  }
}

/** Before TLS, also where the reset comes right behind the handshake of TCP. */
const isHungUp = (error: unknown, socket: Socket | undefined): boolean =>
  (socket === undefined ? errnoOf((error as Error).cause) === 'ECONNRESET' : toFailure(error).code === 'ERR_SECURE_FAILED' && socket.bytesRead === 0)

const gone: Failure = { code: 'ERR_RELAY_LOST', message: 'our relay allocation is gone' }
/** Reason of an abort; without one each costs a DOMException with its stack. */
const over = 'the channel by relay is over'
