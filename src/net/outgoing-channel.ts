import { defaults } from '../config/defaults.js'
import { toFailure, type Failure } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import type { Hello, Role } from '../protocol/frames.js'
import { Channel } from './channel.js'
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

/** How far it has come, ms of the node's clock. `secured` hands the channel to the listener, with HELLO sent. */
export type OutgoingStep =
  | { readonly type: 'connected'; readonly rttMs: number; readonly atMs: number }
  | { readonly type: 'secured'; readonly channel: Channel; readonly hello: Hello; readonly atMs: number }
  | { readonly type: 'failed'; readonly failure: Failure; readonly atMs: number }

/**
 * A channel on its way: TCP connect, TLS as client, HELLO, each step as soon as the one before allows. It starts by
 * itself and waits for nobody: whoever follows it later hears first what has happened. Its maker owns it until `secured`
 * or `failed`, and ends it by `abandon`.
 */
export class OutgoingChannel {
  readonly startedAtMs: number
  readonly #stop = new AbortController()
  /** At most two. */
  readonly #steps: OutgoingStep[] = []
  #isConnected = false
  #local: string
  #socket: Socket | undefined
  #listener: ((step: OutgoingStep) => void) | undefined

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

  /** True once TCP has come through. */
  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Tells `listener` every step, also those so far. One listener. */
  follow(listener: (step: OutgoingStep) => void): void {
    this.#listener = listener
    for (const step of this.#steps.splice(0)) listener(step)
  }

  /** Ends it wherever it is; nothing is told any more. A channel that was handed over is not touched. */
  abandon(): void {
    this.#listener = undefined
    for (const step of this.#steps.splice(0)) if (step.type === 'secured') step.channel.end()
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
      this.#tell({ type: 'connected', rttMs: atMs - this.startedAtMs, atMs })
      const channel = new Channel({ ...(await securing), rttMs: atMs - this.startedAtMs })
      if (signal.aborted) return channel.end()
      channel.owner = sessionKey
      const hello = { type: 'hello', version: protocolVersion, role, session: sessionId, attempt: attemptId } as const
      channel.send(hello)
      openAhead?.(channel)
      this.#tell({ type: 'secured', channel, hello, atMs: clock.now() })
    } catch (error) {
      this.#tell({ type: 'failed', failure: toFailure(error), atMs: clock.now() })
    }
  }

  /** The kernel chooses our endpoint when the SYN leaves, one tick later. */
  #watch(socket: Socket): void {
    this.#socket = socket
    process.nextTick(() => this.local)
  }

  #tell(step: OutgoingStep): void {
    if (this.#stop.signal.aborted) return
    if (this.#listener === undefined) this.#steps.push(step)
    else this.#listener(step)
  }
}

/** Reason of an abort; without one each costs a DOMException with its stack. */
const abandoned = 'the channel was abandoned'
