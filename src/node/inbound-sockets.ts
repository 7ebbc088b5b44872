import { setMaxListeners } from 'node:events'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { Channel } from '../net/channel.js'
import type { Socket } from '../net/dial-socket.js'
import { protocolVersion, readHello, readOpen } from '../net/hello.js'
import type { Securer } from '../net/secure.js'
import type { Hello, Open } from '../protocol/frames.js'

/** Where secured inbound channels go. */
export interface InboundRoutes {
  /** The peer is initiator and said OPEN. Takes the channel over. */
  readonly onOpen: (channel: Channel, hello: Hello, open: Open) => void
  /** The peer is responder: true when an attempt of ours waits for it and takes it over. */
  readonly onArrival: (channel: Channel, hello: Hello) => boolean
}

/** Secures what connects to the listening port and finds out whose it is. Silent or foreign sockets are dropped in 5 s. */
export class InboundSockets {
  readonly #securer: Securer
  readonly #routes: InboundRoutes
  readonly #stop = new AbortController()
  /** Bounded by `maxUnauthenticated`. */
  readonly #unauthenticated = new Set<Socket>()
  /** Channels on which OPEN is due: anybody can make a key, so they are bounded too, by `maxUnopened`. */
  readonly #unopened = new Set<Channel>()
  /** Called when one of them is through; bounded by the attempts that run. */
  readonly #settled = new Set<() => void>()

  constructor(securer: Securer, routes: InboundRoutes) {
    this.#securer = securer
    this.#routes = routes
    // every socket in securing listens; they are bounded
    setMaxListeners(0, this.#stop.signal)
  }

  /** Takes a socket over. Never throws. */
  accept(socket: Socket): void {
    if (this.#stop.signal.aborted || this.#unauthenticated.size >= defaults.listen.maxUnauthenticated) return void socket.destroy()
    this.#unauthenticated.add(socket)
    void this.#secure(socket)
  }

  /** Takes over a channel that we dialled as responder: the initiator's OPEN is due on it. */
  serve(channel: Channel, hello: Hello): void {
    if (this.#stop.signal.aborted || this.#unopened.size >= maxUnopened) return channel.end()
    this.#unopened.add(channel)
    readOpen(channel, { timeoutMs: defaults.dial.unusedChannelMs, signal: this.#stop.signal }, open => {
      this.#unopened.delete(channel)
      if (open instanceof ThroughlineError) channel.end()
      else this.#routes.onOpen(channel, hello, open)
    })
  }

  /** Resolves when no socket from these hosts waits for TLS or HELLO any more, or the signal fires. */
  settledFrom(hosts: readonly string[], signal: AbortSignal): Promise<void> {
    const pending = [...this.#unauthenticated].filter(({ remoteAddress }) => remoteAddress !== undefined && hosts.includes(remoteAddress.replace('::ffff:', '')))
    if (pending.length === 0 || signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const settle = () => {
        this.#settled.delete(look)
        signal.removeEventListener('abort', settle)
        resolve()
      }
      const look = () => pending.some(socket => this.#unauthenticated.has(socket)) || settle()
      this.#settled.add(look)
      signal.addEventListener('abort', settle)
    })
  }

  close(): void {
    this.#stop.abort()
    for (const socket of this.#unauthenticated) socket.destroy()
  }

  async #secure(socket: Socket): Promise<void> {
    const timeoutMs = defaults.dial.secureTimeoutMs
    const { signal } = this.#stop
    const startedAtMs = performance.now()
    const through = () => {
      this.#unauthenticated.delete(socket)
      for (const look of [...this.#settled]) look()
    }
    try {
      const channel = new Channel(await this.#securer.server(socket, { timeoutMs, signal }))
      readHello(channel, { timeoutMs: Math.max(1, timeoutMs - (performance.now() - startedAtMs)), signal }, hello => {
        if (hello instanceof ThroughlineError) channel.destroy()
        else this.#route(channel, hello)
        through()
      })
    } catch {
      socket.destroy()
      through()
    }
  }

  #route(channel: Channel, hello: Hello): void {
    const { session, attempt } = hello
    const answer = { type: 'hello', version: protocolVersion, session, attempt } as const
    if (hello.role === 'initiator') {
      channel.send({ ...answer, role: 'responder' })
      return this.serve(channel, hello)
    }
    channel.send({ ...answer, role: 'initiator' })
    if (!this.#routes.onArrival(channel, hello)) channel.end()
  }
}

/** Secured channels without OPEN, together; each stays 10 s at most. */
const maxUnopened = 1_024
