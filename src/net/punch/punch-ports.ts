import * as net from 'node:net'
import type { Server, Socket } from 'node:net'
import { formatEndpoint, type Endpoint } from '../../protocol/endpoint.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'

/** Who may come to a port of ours that listens. */
export interface Welcome {
  readonly local: Endpoint
  /** An IP literal. Whoever comes from elsewhere is dropped at once. */
  readonly remoteHost: string
  /** Takes the socket over: half-close allowed, Nagle off. */
  readonly onSocket: (socket: Socket) => void
}

/** Of this process; bounded by those who listen. */
const listening = new Map<string, ListeningPort>()

/**
 * Connects from an address and a port of ours (0: a fresh one) to an IP literal, also while that port listens. As with
 * `net.connect`, whatever is wrong comes later, as 'error'. The caller owns the socket.
 */
export function connectFrom(local: Endpoint, remote: Endpoint): Socket {
  const port = listening.get(formatEndpoint(local))
  if (port === undefined) return plainConnect(local, remote)
  if (BoundSocket !== undefined) return boundConnect(BoundSocket, local, remote)
  port.pause()
  const socket = plainConnect(local, remote)
  port.resumeSoon()
  return socket
}

/**
 * Listens on a port of ours, for one peer; several may be welcome on one port. A port that cannot be listened on stays
 * silent. Where connects were asked for in the same turn, they come first. Returns what ends it.
 */
export function listenOn(welcome: Welcome): () => void {
  const key = formatEndpoint(welcome.local)
  const port = listening.get(key) ?? new ListeningPort(welcome.local)
  listening.set(key, port)
  port.welcomes.add(welcome)
  return () => {
    port.welcomes.delete(welcome)
    if (port.welcomes.size > 0) return
    port.pause()
    listening.delete(key)
  }
}

/**
 * A socket that is bound before it connects or listens, in Node from 24.21 and 26.10: with SO_REUSEPORT a port can do
 * both at once.
 */
type BoundSocketClass = new (options: { readonly host: string; readonly port: number; readonly ipv6Only: boolean; readonly reusePort: boolean }) => object
const { BoundSocket } = net as { readonly BoundSocket?: BoundSocketClass }

const bind = (Bound: BoundSocketClass, { host, port }: Endpoint): object => new Bound({ host, port, ipv6Only: host.includes(':'), reusePort: true })

const plainConnect = (local: Endpoint, remote: Endpoint): Socket =>
  net.connect({ ...remote, localAddress: local.host, localPort: local.port, allowHalfOpen: true, noDelay: true })

function boundConnect(Bound: BoundSocketClass, local: Endpoint, remote: Endpoint): Socket {
  try {
    const handle = bind(Bound, local)
    return new net.Socket({ ...{ handle }, allowHalfOpen: true }).setNoDelay(true).connect(remote)
  } catch (error) {
    return new net.Socket().destroy(error as Error)
  }
}

/** A port that listens, but for the moments in which others connect from it: Linux refuses to bind a port that listens. */
class ListeningPort {
  readonly welcomes = new Set<Welcome>()
  readonly #local: Endpoint
  #server: Server | undefined
  #isResuming = false

  constructor(local: Endpoint) {
    this.#local = local
    this.resumeSoon()
  }

  pause(): void {
    this.#server?.close()
    this.#server = undefined
  }

  /** In a later tick: connects of this turn bind first, in a tick too. */
  resumeSoon(): void {
    if (this.#isResuming) return
    this.#isResuming = true
    process.nextTick(() => {
      this.#isResuming = false
      if (this.#server === undefined && this.welcomes.size > 0) this.#server = this.#open()
    })
  }

  #open(): Server {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => this.#admit(socket)).on('error', () => {})
    // it may have been paused before it was there
    server.on('listening', () => void (this.#server === server || server.close()))
    const { host, port } = this.#local
    try {
      if (BoundSocket === undefined) server.listen({ host, port, ipv6Only: host.includes(':') })
      else server.listen(bind(BoundSocket, this.#local))
    } catch {
      // the port is taken
    }
    return server
  }

  #admit(socket: Socket): void {
    const from = bare(socket.remoteAddress ?? '')
    const welcome = [...this.welcomes].find(({ remoteHost }) => isSameHost(bare(remoteHost), from))
    if (welcome === undefined) socket.on('error', () => {}).destroy()
    else welcome.onSocket(socket)
  }
}

/** Without the marks of an IPv4 address in an IPv6 socket and of a link. */
const bare = (host: string): string => host.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/s, '')
