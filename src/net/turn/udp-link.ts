import { once } from 'node:events'
import type { Socket } from 'node:dgram'
import { defaults } from '../../config/defaults.js'
import type { ErrorCode } from '../../errors/index.js'
import { familyOf, type Endpoint } from '../../protocol/endpoint.js'
import { bindingMethod, encodeMessage } from '../../protocol/stun/message.js'
import { errnoOf, toDialError } from '../socket-errors.js'
import { randomTransaction } from '../stun-binding.js'
import { bindUdp } from '../stun-udp-port.js'
import type { LinkHandlers, TurnLink } from './link.js'

/** Opens a port of ours that hears nobody but the server. Rejects with ERR_NO_INTERFACE, ERR_LISTEN or ERR_DIAL_*. */
export async function openUdpLink(server: Endpoint, localAddress: string | undefined): Promise<TurnLink> {
  const socket = await bindUdp(localAddress ?? (familyOf(server.host) === 6 ? '::' : '0.0.0.0'), 0)
  try {
    socket.connect(server.port, server.host)
    await once(socket, 'connect')
  } catch (error) {
    socket.close()
    throw toDialError(error, server.host)
  }
  return new UdpLink(socket, server)
}

class UdpLink implements TurnLink {
  readonly server: Endpoint
  readonly local: Endpoint
  readonly isStream = false
  readonly unsentBytes = 0
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #keepalive: NodeJS.Timeout
  #handlers: LinkHandlers | undefined
  #isClosing = false

  constructor(socket: Socket, server: Endpoint) {
    this.server = server
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { host: address, port }
    this.closed = new Promise(resolve => socket.once('close', () => resolve()))
    // an indication has no answer, and keeps the NAT's mapping (RFC 8489 section 6.3.2)
    this.#keepalive = setInterval(() => this.send(encodeMessage({ class: 'indication', method: bindingMethod, transaction: randomTransaction() }, [])), defaults.turn.keepaliveMs)
  }

  start(handlers: LinkHandlers): void {
    this.#handlers = handlers
    this.#socket.on('message', bytes => this.#handlers?.onMessage(bytes))
    // of a connected port, so it is about the server: nobody listens there any more
    this.#socket.on('error', error => void (errnoOf(error) === 'ECONNREFUSED' && this.drop('ERR_RELAY_LOST', 'nobody listens there')))
  }

  send(bytes: Buffer): void {
    // what the system refuses to send is lost like any datagram
    if (!this.#isClosing) this.#socket.send(bytes, () => {})
  }

  end(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    clearInterval(this.#keepalive)
    this.#socket.close()
  }

  drop(code: ErrorCode, reason: string): void {
    const handlers = this.#handlers
    this.#handlers = undefined
    handlers?.onGone(code, reason)
    this.end()
  }
}
