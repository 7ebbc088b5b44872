import { defaults } from '../config/defaults.js'
import { toFailure } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import type { Role } from '../protocol/frames.js'
import { Channel } from './channel.js'
import { ChannelSteps, type ChannelInProgress, type ChannelStep } from './channel-progress.js'
import type { Clock } from './clock.js'
import { dialSocket, type Socket } from './dial-socket.js'
import { protocolVersion } from './hello.js'
import type { Securer } from './secure.js'

/** Where a channel shall lead, and for whom. */
export interface OutgoingRequest {
  readonly remote: Endpoint
  /** Source address; undefined leaves it to the route table. */
  readonly bind: string | undefined
  readonly peerId: string
  readonly role: Role
  readonly sessionKey: string
  readonly sessionId: string
  readonly attemptId: string
  /** For the TCP connection; TLS has a limit of its own. */
  readonly timeoutMs: number
  /** Initiator: sees the channel before anybody else, to send OPEN right behind HELLO. */
  readonly openAhead?: (channel: Channel) => void
}

/** A channel on its way by a dial: TCP connect, TLS as client, HELLO, each step as soon as the one before allows. */
export class OutgoingChannel implements ChannelInProgress {
  readonly startedAtMs: number
  readonly #stop = new AbortController()
  readonly #steps = new ChannelSteps()
  #isConnected = false
  #local: string
  #socket: Socket | undefined

  constructor(request: OutgoingRequest, securer: Securer, clock: Clock) {
    this.startedAtMs = clock.now()
    this.#local = request.bind ?? ''
    void this.#run(request, securer, clock)
  }

  /** Our endpoint, as soon as the kernel has chosen it. */
  get local(): string {
    const { localAddress: host, localPort: port } = this.#socket ?? {}
    if (host !== undefined && port !== undefined) this.#local = formatEndpoint({ host, port })
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
    this.#stop.abort(abandoned)
  }

  async #run({ remote, bind, peerId, role, sessionKey, sessionId, attemptId, timeoutMs, openAhead }: OutgoingRequest, securer: Securer, clock: Clock): Promise<void> {
    const { signal } = this.#stop
    try {
      const socket = await dialSocket({ remote, timeoutMs, signal, onSocket: socket => this.#watch(socket), ...(bind !== undefined && { localAddress: bind }) })
      this.#isConnected = true
      const atMs = clock.now()
      const securing = securer.client(socket, { expectedId: peerId, timeoutMs: defaults.dial.secureTimeoutMs, signal })
      // while the peer works on our ClientHello there is time to tell
      this.#steps.tell({ type: 'connected', rttMs: atMs - this.startedAtMs, atMs })
      const channel = new Channel({ ...(await securing), rttMs: atMs - this.startedAtMs })
      if (signal.aborted) return channel.end()
      channel.owner = sessionKey
      const hello = { type: 'hello', version: protocolVersion, role, session: sessionId, attempt: attemptId } as const
      channel.send(hello)
      openAhead?.(channel)
      this.#steps.tell({ type: 'secured', channel, hello, atMs: clock.now() })
    } catch (error) {
      this.#steps.tell({ type: 'failed', failure: toFailure(error), atMs: clock.now() })
    }
  }

  /** The kernel chooses our endpoint when the SYN leaves, one tick later. */
  #watch(socket: Socket): void {
    this.#socket = socket
    process.nextTick(() => this.local)
  }
}

/** Reason of an abort; without one each costs a DOMException with its stack. */
const abandoned = 'the channel was abandoned'
