import { ThroughlineError } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import { attribute } from '../../protocol/stun/attribute.js'
import { encodeTurnRequest, judgeTurnReply, type TurnVerdict } from '../../protocol/turn/exchange.js'
import type { TurnRealm } from '../../protocol/turn/long-term.js'
import { turnMethods } from '../../protocol/turn/methods.js'
import { connectionId } from '../../protocol/turn/numbers.js'
import { formatTurnUrl } from '../../protocol/turn-url.js'
import type { Socket } from '../dial-socket.js'
import { randomTransaction } from '../stun-binding.js'
import { askOnSocket } from './ask-on-socket.js'
import { countdown } from './countdown.js'
import { answerOf } from './rounds.js'
import { connectServer, type ServerWay } from './server-way.js'
import { SpareSockets } from './spare-sockets.js'
import type { TurnLimits } from './types.js'

/** Where the data connections of an allocation come from. */
export interface DataStreamsOptions {
  /** The address the allocation lives at: no other knows of it. */
  readonly endpoint: Endpoint
  readonly way: ServerWay
  /** The latest of the control connection; undefined for a server that asks nobody who he is. */
  readonly realm: () => TurnRealm | undefined
  /** Aborted with the allocation. */
  readonly over: AbortSignal
}

/** Connections to the server that become streams to peers (RFC 6062 sections 4.3 and 4.4). */
export class DataStreams {
  readonly #options: DataStreamsOptions
  readonly #name: string
  readonly #spares: SpareSockets

  constructor(options: DataStreamsOptions) {
    this.#options = options
    this.#name = formatTurnUrl(options.way.server)
    this.#spares = new SpareSockets(limits => this.#open(limits), options.over)
  }

  /** Opens a connection ahead, unless there are enough. */
  prepare(): void {
    this.#spares.prepare()
  }

  /** A stream to the peer that `id` stands for. The caller owns the socket. Rejects with ERR_RELAY_* or ERR_CANCELLED. */
  async bind(id: number, { timeoutMs, signal }: TurnLimits): Promise<Socket> {
    const { over } = this.#options
    try {
      return await this.#bind(id, { timeoutMs, signal: AbortSignal.any([signal, over]) })
    } catch (error) {
      throw over.aborted && !signal.aborted ? over.reason : error
    }
  }

  async #bind(id: number, limits: TurnLimits): Promise<Socket> {
    const left = countdown(limits)
    const spare = await this.#spares.take(left())
    if (spare !== undefined) {
      try {
        return await this.#bindOn(spare, id, left())
      } catch (error) {
        // the server ended it while it waited
        if (!ThroughlineError.is(error) || error.code !== 'ERR_RELAY_LOST') throw error
      }
    }
    return this.#bindOn(await this.#open(left()), id, left())
  }

  /** Signed as on the control connection, whose nonce counts here too; where it does not, another comes back. */
  async #bindOn(socket: Socket, id: number, limits: TurnLimits): Promise<Socket> {
    const left = countdown(limits)
    try {
      for (let round = 1, known = this.#options.realm(); ; round++) {
        const next = answerOf(await this.#ask(socket, id, known, left()), { round, known, name: this.#name, isAboutPeer: true })
        if (next === 'done') return socket
        known = next
      }
    } catch (error) {
      socket.on('error', () => {}).destroy()
      throw error
    }
  }

  async #open(limits: TurnLimits): Promise<Socket> {
    const { endpoint, way } = this.#options
    return (await connectServer([endpoint], way, limits)).socket
  }

  async #ask(socket: Socket, id: number, known: TurnRealm | undefined, limits: TurnLimits): Promise<TurnVerdict> {
    const { bytes, asked } = encodeTurnRequest(turnMethods.connectionBind, randomTransaction(), [attribute(connectionId, id)], this.#options.way.server, known)
    return judgeTurnReply(await askOnSocket(socket, bytes, this.#name, limits), asked)
  }
}
