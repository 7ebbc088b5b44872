import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import { encodeBindingRequest, judgeReply, type BindingWishes } from '../protocol/stun/binding-exchange.js'
import { StunStreamDecoder } from '../protocol/stun/stream-decoder.js'
import { bounded } from './bounded.js'
import { dialSocket, type Socket } from './dial-socket.js'
import { endSocket } from './end-socket.js'
import { badReply, randomTransaction, settleBinding, stunTimeout, type PendingBinding, type StunBinding } from './stun-binding.js'

/** Time and abort of one request. */
export interface StunTcpLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Which server to ask from where; `timeoutMs` bounds connecting and the first reply together. */
export interface StunTcpRequest extends StunTcpLimits {
  /** An IP literal. Several servers may be asked from one local port at once, each once. */
  readonly server: Endpoint
  /** An address of this machine and a port, 0 for any free one. Never left to the kernel: only a bound port can be dialled from, or listened on, again. */
  readonly local: Endpoint
}

/** A TCP connection to a STUN server, kept open so that the mapping of its local port lives. Whoever opened it owns it and closes it. */
export interface StunTcpConnection {
  readonly local: Endpoint
  readonly server: Endpoint
  /** The latest reply. */
  readonly binding: StunBinding
  /** Resolves when the connection is gone, whoever ended it. Never rejects. */
  readonly closed: Promise<void>
  /** Asks again, which also keeps the mapping warm; `change` asks for a dial-back, `responsePort` for one to another port. Rejects with ERR_STUN_TIMEOUT, ERR_STUN_BAD_REPLY, ERR_STUN_REFUSED or ERR_CANCELLED. */
  refresh(request: StunTcpLimits & BindingWishes): Promise<StunBinding>
  /** Ends it by FIN; destroyed when the server has not ended after `dial.lingerMs`. What waits rejects. Idempotent, never rejects. */
  close(): Promise<void>
}

/** Connects and asks for a first time. Rejects with ERR_DIAL_*, ERR_STUN_* or ERR_CANCELLED; the connection is gone then. */
export async function connectStunTcp({ server, local, timeoutMs, signal }: StunTcpRequest): Promise<StunTcpConnection> {
  const startMs = performance.now()
  const socket = await dialSocket({ remote: server, localAddress: local.host, localPort: local.port, timeoutMs, signal })
  const asker = new Asker(socket, server)
  try {
    let binding = await asker.ask({ timeoutMs: Math.max(timeoutMs - (performance.now() - startMs), 1), signal })
    return {
      local: asker.local,
      server,
      closed: asker.closed,
      get binding() {
        return binding
      },
      refresh: async request => (binding = await asker.ask(request)),
      close: () => asker.end(),
    }
  } catch (error) {
    asker.destroy()
    await asker.closed
    throw error
  }
}

/** A socket that asks. It reads always, so that the end of the connection is noticed and close sends no RST. */
class Asker {
  readonly local: Endpoint
  readonly server: Endpoint
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #decoder = new StunStreamDecoder()
  /** Bounded by who asks: each has its time-out. */
  readonly #pending = new Map<string, PendingBinding>()
  #isEnding = false
  #unsolicited = 0

  constructor(socket: Socket, server: Endpoint) {
    this.#socket = socket
    this.server = server
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 }
    this.closed = new Promise(resolve => socket.once('close', () => resolve()))
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => socket.end())
    // 'close' follows and tells
    socket.on('error', () => {})
    socket.on('close', () => this.#leave('the connection ended'))
  }

  /** Sent once: TCP repeats by itself (RFC 8489 section 6.2.2). */
  ask({ timeoutMs, signal, ...wishes }: StunTcpLimits & BindingWishes): Promise<StunBinding> {
    const what = `the STUN request to ${formatEndpoint(this.server)}`
    return bounded({ signal, timeoutMs, what, onTimeout: () => stunTimeout(this.server, timeoutMs) }, settle => {
      if (!this.#socket.writable) throw badReply(this.server, 'the connection ended')
      const transaction = randomTransaction()
      const key = transaction.toString('hex')
      this.#pending.set(key, { server: this.server, sentAtMs: performance.now(), ...settle })
      this.#socket.write(encodeBindingRequest(transaction, wishes))
      return () => void this.#pending.delete(key)
    })
  }

  end(): Promise<void> {
    for (const { reject } of [...this.#pending.values()]) reject(new ThroughlineError('ERR_CANCELLED', `the connection to ${formatEndpoint(this.server)} was closed`))
    if (!this.#isEnding) endSocket(this.#socket)
    this.#isEnding = true
    return this.closed
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk, message => this.#take(message))
    } catch {
      this.#drop('it sent what is no STUN message')
    }
  }

  /** Late replies are for nobody, and few. A server that sends without end would keep us busy. */
  #take(message: Buffer): void {
    if (settleBinding(judgeReply(message, this.server, this.#pending), 'tcp', this.local)) return
    this.#unsolicited += 1
    if (this.#unsolicited > defaults.stun.maxUnsolicited) this.#drop('it sends what nobody asked for')
  }

  #drop(reason: string): void {
    this.#leave(reason)
    this.#socket.destroy()
  }

  #leave(reason: string): void {
    for (const { reject } of [...this.#pending.values()]) reject(badReply(this.server, reason))
  }
}
