import type { RemoteInfo, Socket } from 'node:dgram'
import { ThroughlineError } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import { encodeBindingRequest, judgeReply } from '../protocol/stun/binding-exchange.js'
import { changedOrigin, type Change } from '../protocol/stun/change-request.js'
import { transactionKey } from '../protocol/stun/message.js'
import { sendTimes } from '../protocol/stun/retransmission.js'
import { bounded } from './bounded.js'
import { errnoOf, toDialError } from './socket-errors.js'
import { randomTransaction, settleBinding, stunTimeout, type PendingBinding, type StunBinding } from './stun-binding.js'
import { bindUdp } from './stun-udp-port.js'

/** One Binding request. */
export interface StunUdpRequest {
  /** An IP literal of the socket's family. */
  readonly server: Endpoint
  /** CHANGE-REQUEST: asks for a reply from elsewhere; `other` is the server's OTHER-ADDRESS, or what else is known of it. */
  readonly change?: Change & { readonly other: Endpoint }
  /** Sends by this socket instead, and wants the reply here (RESPONSE-PORT): our port has sent nothing then. Both have to be at one address, without NAT. */
  readonly through?: StunUdpSocket
  /** Repetitions included. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** A UDP socket that asks any number of servers, also at once. Whoever opened it owns it and closes it. */
export interface StunUdpSocket {
  readonly local: Endpoint
  /** Datagrams that were no reply to anything asked. */
  readonly ignored: number
  /**
   * Asks one server; memory is bounded by what waits. Rejects with ERR_STUN_TIMEOUT, ERR_STUN_BAD_REPLY (a server that ignored the
   * CHANGE-REQUEST included), ERR_STUN_REFUSED, ERR_DIAL_UNREACHABLE, ERR_DIAL_LOCAL or ERR_CANCELLED.
   */
  request(request: StunUdpRequest): Promise<StunBinding>
  /** What waits rejects with ERR_CANCELLED; resolves when the port is free. Idempotent, never rejects. */
  close(): Promise<void>
  /** Tells whether a request with this transaction, of another socket of ours, arrives in time: a hairpin. Rejects with ERR_CANCELLED. */
  hears(transaction: Buffer, limits: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<boolean>
  /** Sends bytes as they are. */
  send(bytes: Buffer, server: Endpoint, onSent?: (error: Error | null) => void): void
}

/** Opens a UDP socket at an address of this machine; port 0 = any free one. Rejects with ERR_PORT_IN_USE, ERR_NO_INTERFACE or ERR_LISTEN. */
export async function openStunUdp({ host, port }: Endpoint): Promise<StunUdpSocket> {
  const socket = await bindUdp(host, port)
  return new UdpClient(socket, { host, port: socket.address().port })
}

class UdpClient implements StunUdpSocket {
  readonly local: Endpoint
  ignored = 0
  readonly #socket: Socket
  readonly #pending = new Map<string, PendingBinding>()
  /** Bounded by who waits. */
  readonly #awaited = new Map<string, () => void>()
  readonly #closed: Promise<void>
  #isClosing = false

  constructor(socket: Socket, local: Endpoint) {
    this.local = local
    this.#socket = socket
    this.#closed = new Promise(resolve => socket.once('close', () => resolve()))
    socket.on('message', (bytes, source) => this.#receive(bytes, source))
  }

  request({ server, change, through = this, timeoutMs, signal }: StunUdpRequest): Promise<StunBinding> {
    const what = `the STUN request to ${formatEndpoint(server)}`
    return bounded({ signal, timeoutMs, what, onTimeout: () => stunTimeout(server, timeoutMs) }, settle => {
      if (this.#isClosing) throw closedError(what)
      const transaction = randomTransaction()
      const key = transaction.toString('hex')
      const bytes = encodeBindingRequest(transaction, { ...(change && { change }), ...(through !== this && { responsePort: this.local.port }) })
      const onSent = (error: Error | null) => {
        if (error !== null && isFinal(error)) settle.reject(toDialError(error, formatEndpoint(server)))
      }
      const send = () => through.send(bytes, server, onSent)
      const [, ...later] = sendTimes(timeoutMs)
      const pending = { server, ...(change && { replyFrom: changedOrigin(server, change.other, change) }), sentAtMs: performance.now(), ...settle }
      this.#pending.set(key, pending)
      const timers = later.map(atMs => setTimeout(send, atMs))
      send()
      return () => {
        timers.forEach(clearTimeout)
        this.#pending.delete(key)
      }
    })
  }

  close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true
      for (const { server, reject } of [...this.#pending.values()]) reject(closedError(`the STUN request to ${formatEndpoint(server)}`))
      this.#socket.close()
    }
    return this.#closed
  }

  async hears(transaction: Buffer, { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<boolean> {
    const key = transaction.toString('hex')
    const silence = new ThroughlineError('ERR_STUN_TIMEOUT', 'nothing arrived')
    try {
      await bounded<void>({ signal, timeoutMs, what: 'the wait for a hairpin', onTimeout: () => silence }, ({ resolve }) => {
        this.#awaited.set(key, resolve)
        return () => this.#awaited.delete(key)
      })
      return true
    } catch (error) {
      if (error === silence) return false
      throw error
    }
  }

  send(bytes: Buffer, server: Endpoint, onSent: (error: Error | null) => void = () => {}): void {
    if (!this.#isClosing) this.#socket.send(bytes, server.port, server.host, onSent)
  }

  #receive(bytes: Buffer, { address, port }: RemoteInfo): void {
    this.#awaited.get(transactionKey(bytes) ?? '')?.()
    const verdict = judgeReply(bytes, { host: address, port }, this.#pending)
    if (!settleBinding(verdict, 'udp', this.local)) this.ignored += 1
  }
}

const closedError = (what: string) => new ThroughlineError('ERR_CANCELLED', `${what} was cancelled: its socket is closed`)

/** Errors that no repetition mends. ECONNREFUSED may be about an earlier packet, and buffers get free. */
const isFinal = (error: Error): boolean =>
  ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EINVAL', 'EAFNOSUPPORT', 'EACCES', 'EPERM', 'ENOTFOUND'].includes(errnoOf(error))
