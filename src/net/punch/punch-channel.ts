import { defaults } from '../../config/defaults.js'
import { toFailure, type Failure } from '../../errors/index.js'
import type { Volley } from '../../nat/punch/volley.js'
import { formatEndpoint } from '../../protocol/endpoint.js'
import type { Hello } from '../../protocol/frames.js'
import { Channel, endpointText } from '../channel.js'
import { ChannelSteps, type ChannelInProgress, type ChannelStep } from '../channel-progress.js'
import type { Clock } from '../clock.js'
import { endSocket } from '../end-socket.js'
import type { OutgoingRequest } from '../outgoing-channel.js'
import type { Securer } from '../secure.js'
import { secureByRole } from '../secure-by-role.js'
import type { Arrival, VolleyCounts, VolleyRequest } from './volley-request.js'
import { VolleySockets } from './volley-sockets.js'

/** What a punch is to come to, and for whom. By `timeoutMs` something has to come up, the volley's own delay included; TLS and HELLO have a limit of their own. */
export interface PunchRequest extends Omit<OutgoingRequest, 'remote' | 'bind'> {
  readonly volley: Volley
  /** Asked before each SYN; false leaves it out. */
  readonly maySend: () => boolean
  /** Calls back when the bursts of a birthday punch may leave; returns what gives that up. */
  readonly takeTurn: VolleyRequest['takeTurn']
  readonly onRefusal: VolleyRequest['onRefusal']
}

const { maxSecuring, maxWaiting } = defaults.punch

/**
 * A channel on its way by a volley. What comes up, by connect or by accept, is secured with the attempt's initiator as
 * TLS client and says HELLO; who proves to be somebody else does not end the volley. The first that is through ends it.
 */
export class PunchChannel implements ChannelInProgress {
  readonly startedAtMs: number
  readonly #request: PunchRequest
  readonly #securer: Securer
  readonly #clock: Clock
  readonly #volley: VolleySockets
  readonly #steps = new ChannelSteps()
  /** For what is in securing: at most `maxSecuring` listen. */
  readonly #stop = new AbortController()
  readonly #cancelTimeout: () => void
  #local: string
  #arrivals = 0
  #securing = 0
  /** Came up, and wait for their turn; at most `maxWaiting`. */
  readonly #waiting: Arrival[] = []
  /** Of the last socket that came up in vain. */
  #failure: Failure | undefined

  constructor(request: PunchRequest, securer: Securer, clock: Clock, random: () => number) {
    const { volley, timeoutMs, maySend, takeTurn, onRefusal } = request
    const [port = 0] = volley.localPorts
    this.startedAtMs = clock.now()
    this.#request = request
    this.#securer = securer
    this.#clock = clock
    this.#local = port === 0 ? volley.host : formatEndpoint({ host: volley.host, port })
    this.#cancelTimeout = clock.after(timeoutMs, () => this.#expire())
    this.#volley = new VolleySockets({ volley, clock, random, maySend, takeTurn, onRefusal, isSecuring: () => this.#securing > 0, onSocket: arrival => this.#take(arrival), onSpent: () => this.#look() })
    this.#volley.start()
  }

  get local(): string {
    return this.#local
  }

  get isConnected(): boolean {
    return this.#arrivals > 0
  }

  /** What was sent so far, and what was refused: tells how the peer's NAT answers. */
  get counts(): VolleyCounts {
    return this.#volley.counts
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
    this.#volley.stop()
    this.#stop.abort(over)
    for (const { socket } of this.#waiting.splice(0)) endSocket(socket)
  }

  #take(arrival: Arrival): void {
    this.#arrivals += 1
    if (this.#securing < maxSecuring) void this.#secure(arrival)
    else this.#wait(arrival)
    if (this.#arrivals > 1) return
    const { localAddress, localPort, remoteAddress, remotePort } = arrival.socket
    this.#local = endpointText(localAddress, localPort)
    this.#steps.tell({ type: 'connected', rttMs: arrival.rttMs ?? 0, remote: endpointText(remoteAddress, remotePort), atMs: this.#clock.now() })
  }

  /** Many may come up in one burst; the peer, who is TLS client then, chooses which are gone on with. */
  #wait(arrival: Arrival): void {
    const { socket, rttMs } = arrival
    // our own connects are bounded by the volley
    const isOurs = rttMs !== undefined && this.#request.role === 'responder'
    if (this.#waiting.length >= maxWaiting && !isOurs) return endSocket(socket)
    this.#waiting.push(arrival)
    if (this.#request.role === 'responder') socket.once('readable', () => {
      const place = this.#waiting.indexOf(arrival)
      if (place === -1) return
      this.#waiting.splice(place, 1)
      // readable without bytes: the peer has ended it
      if (socket.readableLength > 0) void this.#secure(arrival)
      else endSocket(socket)
    })
  }

  async #secure({ socket, rttMs = Number.POSITIVE_INFINITY, isByChance = false, onHangUp }: Arrival): Promise<void> {
    const { volley: { method, listenMs } } = this.#request
    this.#securing += 1
    try {
      const { channel, hello } = await secureByRole(socket, {
        ...this.#request, securer: this.#securer, clock: this.#clock, signal: this.#stop.signal,
        toChannel: secured => {
          // while the kernel repeats a SYN, or the peer is not ready, connecting takes long
          const channel = new Channel({ ...secured, rttMs: Math.min(rttMs, secured.rttMs) })
          // what came in while its port listened first needed none of the SYNs after that
          const isByListening = rttMs === Number.POSITIVE_INFINITY && listenMs !== Number.POSITIVE_INFINITY && !isByChance
          channel.via = { strategy: 'punch', method: isByListening ? 'listen' : method }
          return channel
        },
      })
      if (this.#stop.signal.aborted) return channel.end()
      this.#succeed(channel, hello)
    } catch (error) {
      const failure = toFailure(error)
      if (failure.code === 'ERR_SECURE_FAILED') onHangUp?.()
      this.#fail(failure)
    }
  }

  #succeed(channel: Channel, hello: Hello): void {
    this.#end()
    this.#steps.tell({ type: 'secured', channel, hello, atMs: this.#clock.now() })
  }

  #fail(failure: Failure): void {
    this.#failure = failure
    this.#securing -= 1
    const next = this.#waiting.shift()
    if (next === undefined) this.#look()
    else void this.#secure(next)
  }

  /** What is in securing may still come through. */
  #expire(): void {
    const { isWaiting } = this.#volley
    this.#volley.stop()
    for (const { socket } of this.#waiting.splice(0)) endSocket(socket)
    if (isWaiting) this.#failure = { code: 'ERR_BUDGET', message: 'other birthday punches of this node sent all the time' }
    this.#look()
  }

  #look(): void {
    if (this.#stop.signal.aborted || !this.#volley.isSpent || this.#securing > 0) return
    this.#end()
    this.#steps.tell({ type: 'failed', failure: this.#verdict(), atMs: this.#clock.now() })
  }

  #verdict(): Failure {
    const { syns, refused, leftOut } = this.counts
    if (syns === 0 && leftOut > 0) return { code: 'ERR_BUDGET', message: `a safety limit left out all ${leftOut} SYNs` }
    if (this.#failure?.code === 'ERR_BUDGET') return this.#failure
    const seen = [`${syns} sent`, `${refused} refused`, ...(leftOut > 0 ? [`${leftOut} left out by a safety limit`] : [])]
    const last = this.#failure === undefined ? '' : `; connections: ${this.#arrivals}, the last in vain: ${this.#failure.message}`
    return { code: 'ERR_PUNCH_TIMEOUT', message: `SYNs: ${seen.join(', ')}${last}` }
  }
}

/** Reason of an abort; without one each costs a DOMException with its stack. */
const over = 'the volley is over'
