import type { Socket as UdpSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { listen, type Listener } from './listener.js'
import { RateWindow } from './stun-rate.js'
import { StunTcpService } from './stun-tcp-service.js'
import { bindUdp } from './stun-udp-port.js'
import { serveStunUdp } from './stun-udp-service.js'

/** Where a responder listens. Ports are the same for UDP and TCP, and on both addresses; 0 (default) = any free one. */
export interface StunResponderOptions {
  /** Default 127.0.0.1; a wildcard only without `alternateHost`. */
  readonly host?: string
  /** A second address of this machine, of the same family: then RFC 5780 in full. */
  readonly alternateHost?: string
  readonly port?: number
  readonly alternatePort?: number
  /** Closes the responder. */
  readonly signal?: AbortSignal
}

/** A STUN server in this process (RFC 8489, 5780, 3489; Binding only). Whoever started it owns it and closes it. */
export interface StunResponder {
  readonly port: number
  readonly alternatePort: number
  /** Open TCP connections of requesters. */
  readonly connections: number
  /** Drops every connection and dial-back; resolves when all are closed. Idempotent, never rejects. */
  close(): Promise<void>
}

/**
 * Starts a responder on two ports of one or two addresses, bounded by `stun.responder`. Over UDP it does what CHANGE-REQUEST asks; over TCP
 * that means a dial-back, an extension of ours (docs/protocol.md section 6): after an answer that repeats the CHANGE-REQUEST the responder
 * opens a TCP connection to the endpoint the request came from, and to no other, from a port that is neither of its two, of its other
 * address where that was asked, and ends it after a second. So a requester that listens on its port can measure TCP filtering.
 * Rejects with ERR_PORT_IN_USE, ERR_NO_INTERFACE, ERR_LISTEN or ERR_CANCELLED; nothing listens then.
 */
export async function startStunResponder(options: StunResponderOptions = {}): Promise<StunResponder> {
  const { host = '127.0.0.1', alternateHost, port = 0, alternatePort = 0, signal } = options
  const hosts = alternateHost === undefined ? [host] : [host, alternateHost]
  const { requestsPerSourcePerSecond, requestsPerSecond } = defaults.stun.responder
  const rate = new RateWindow({ windowMs: 1_000, perSource: requestsPerSourcePerSecond, inAll: requestsPerSecond })
  const tcp = new StunTcpService(hosts, rate)
  const doors: Door[] = []
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    closing ??= Promise.all([...doors.map(closeDoor), tcp.close()]).then(() => {})
    return closing
  }
  const onAbort = () => void close()
  const onSocket = (socket: Socket) => {
    const [first, second] = doors
    // who comes before both ports are open would learn half
    if (first === undefined || second === undefined) socket.destroy()
    else tcp.serve(socket, [first.port, second.port])
  }
  try {
    for (const wanted of [port, alternatePort]) doors.push(await openDoor(hosts, wanted, onSocket))
    if (signal?.aborted) throw new ThroughlineError('ERR_CANCELLED', 'starting the STUN responder was cancelled', { cause: signal.reason })
  } catch (error) {
    await close()
    throw error
  }
  signal?.addEventListener('abort', onAbort)
  const [first = 0, second = 0] = doors.map(door => door.port)
  serveStunUdp(hosts, [first, second], doors.map(door => door.sockets), rate)
  return {
    port: first,
    alternatePort: second,
    get connections() {
      return tcp.connections
    },
    close,
  }
}

/** One port, TCP and UDP, on each of the addresses. */
interface Door {
  readonly port: number
  readonly listener: Listener
  readonly sockets: readonly UdpSocket[]
}

async function openDoor(hosts: readonly string[], port: number, onSocket: (socket: Socket) => void): Promise<Door> {
  for (let tries = 1; ; tries++) {
    const listener = await listen({ hosts, port, onSocket })
    const sockets: UdpSocket[] = []
    try {
      for (const host of hosts) sockets.push(await bindUdp(host, listener.port))
      return { port: listener.port, listener, sockets }
    } catch (error) {
      await closeDoor({ port, listener, sockets })
      // a port that is free for TCP may be taken for UDP; then another is drawn
      const mayDrawAgain = port === 0 && tries < maxDraws && ThroughlineError.is(error) && error.code === 'ERR_PORT_IN_USE'
      if (!mayDrawAgain) throw error
    }
  }
}

const maxDraws = 5

async function closeDoor({ listener, sockets }: Door): Promise<void> {
  await Promise.all([listener.close(), ...sockets.map(socket => new Promise<void>(resolve => void socket.close(resolve)))])
}
