import { defaults } from '../../config/defaults.js'
import type { ErrorCode } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import { TurnStreamDecoder } from '../../protocol/turn/stream-decoder.js'
import type { Socket } from '../dial-socket.js'
import { endSocket } from '../end-socket.js'
import type { LinkHandlers, TurnLink } from './link.js'

/** A connection that carries messages. It reads always, so that its end is noticed. */
export class StreamLink implements TurnLink {
  readonly server: Endpoint
  readonly local: Endpoint
  readonly isStream = true
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #decoder: TurnStreamDecoder
  #handlers: LinkHandlers | undefined
  #isEnding = false

  /** Takes over `socket`, which is connected. */
  constructor(socket: Socket, server: Endpoint, maxMessageBytes: number) {
    this.server = server
    this.#socket = socket
    this.#decoder = new TurnStreamDecoder(maxMessageBytes)
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 }
    this.closed = new Promise(resolve => socket.once('close', () => resolve()))
    // the kernel keeps the NAT's mapping, and notices when the server is gone without a word
    socket.setKeepAlive(true, defaults.turn.keepaliveMs)
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  start(handlers: LinkHandlers): void {
    this.#handlers = handlers
    const ended = 'the connection ended'
    let why = ended
    this.#socket
      .on('data', (chunk: Buffer) => this.#read(chunk))
      .on('error', error => void (why = `the connection broke: ${error.message}`))
      .on('end', () => {
        this.#leave('ERR_RELAY_LOST', ended)
        this.end()
      })
      .on('close', () => this.#leave('ERR_RELAY_LOST', why))
  }

  send(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  end(): void {
    if (!this.#isEnding) endSocket(this.#socket)
    this.#isEnding = true
  }

  drop(code: ErrorCode, reason: string): void {
    this.#leave(code, reason)
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk, message => this.#handlers?.onMessage(message))
    } catch {
      this.drop('ERR_RELAY_BAD_REPLY', 'it sent what is no message of TURN')
    }
  }

  #leave(code: ErrorCode, reason: string): void {
    const handlers = this.#handlers
    this.#handlers = undefined
    handlers?.onGone(code, reason)
  }
}
