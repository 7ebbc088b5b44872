import type { Socket } from 'node:net'
import { defaults } from '../config/defaults.js'
import type { Endpoint } from '../protocol/endpoint.js'
import { answerBinding, type ResponderPlace } from '../protocol/stun/binding-answer.js'
import { isSameHost } from '../protocol/stun/ip-bytes.js'
import { StunStreamDecoder } from '../protocol/stun/stream-decoder.js'
import { BackDialler } from './stun-back-dialler.js'
import { knownHost, unmapped } from './stun-hosts.js'
import type { RateWindow } from './stun-rate.js'

const limits = defaults.stun.responder

/** Answers requests over TCP, and dials back where they ask for it. Memory: bounded by the connections, a message and some answers each. */
export class StunTcpService {
  readonly #hosts: readonly string[]
  readonly #rate: RateWindow
  readonly #dialler = new BackDialler()
  /** Bounded by `maxConnections`. */
  readonly #sockets = new Map<Socket, string>()

  constructor(hosts: readonly string[], rate: RateWindow) {
    this.#hosts = hosts
    this.#rate = rate
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** Takes over a socket that was accepted on one of the two `ports`. */
  serve(socket: Socket, ports: readonly [number, number]): void {
    const { remoteAddress, remotePort, localAddress, localPort } = socket
    socket.on('error', () => {})
    // it may be gone already
    if (remoteAddress === undefined || remotePort === undefined || localAddress === undefined || localPort === undefined) return void socket.destroy()
    const source = { host: unmapped(remoteAddress), port: remotePort }
    if (!this.#hasRoomFor(source.host)) return void socket.destroy()
    this.#sockets.set(socket, source.host)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.once('end', () => socket.end())
    socket.setTimeout(limits.idleMs, () => socket.destroy())
    const local = { host: unmapped(localAddress), port: localPort }
    const otherHost = knownHost(this.#hosts.find(host => !isSameHost(host, local.host)))
    const place = { transport: 'tcp', local, other: { host: otherHost, port: localPort === ports[0] ? ports[1] : ports[0] } } as const
    const decoder = new StunStreamDecoder()
    socket.on('data', (chunk: Buffer) => {
      try {
        decoder.push(chunk, message => this.#answer(socket, message, source, place))
      } catch {
        socket.destroy()
      }
    })
  }

  async close(): Promise<void> {
    const closed = [...this.#sockets.keys()].map(socket => new Promise<void>(resolve => socket.once('close', () => resolve()).destroy()))
    await Promise.all([...closed, this.#dialler.close()])
  }

  #answer(socket: Socket, message: Buffer, source: Endpoint, { local, ...place }: ResponderPlace & { readonly local: Endpoint }): void {
    if (socket.destroyed) return
    if (!this.#rate.take(source.host, performance.now())) return void socket.destroy()
    const answer = answerBinding(message, source, { local, ...place }, () => this.#dialler.take(source.host))
    if (answer === undefined || !socket.writable) return
    socket.write(answer.bytes)
    if (socket.writableLength > limits.maxUnsentBytes) return void socket.destroy()
    const { change: { address, port }, port: target } = answer
    if (address || port) this.#dialler.dial({ host: source.host, port: target }, address ? place.other.host ?? local.host : local.host)
  }

  #hasRoomFor(source: string): boolean {
    const ofSource = [...this.#sockets.values()].filter(one => one === source).length
    return this.#sockets.size < limits.maxConnections && ofSource < limits.maxConnectionsPerSource
  }
}
