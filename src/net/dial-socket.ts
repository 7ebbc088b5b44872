import { connect, type Socket } from 'node:net'
import { ThroughlineError } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import { bounded } from './bounded.js'
import { toDialError } from './socket-errors.js'

export type { Socket }

/** What to connect, from where. `local` fixes the source address, and the port where it is given. */
export interface DialRequest {
  readonly remote: Endpoint
  readonly localAddress?: string
  readonly localPort?: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Sees the socket before it is connected; it stays ours. */
  readonly onSocket?: (socket: Socket) => void
}

/**
 * Opens a TCP connection to an IP literal, half-close allowed, Nagle off. The caller owns the socket. Rejects with
 * ERR_DIAL_* or ERR_CANCELLED; nothing is left behind then.
 */
export function dialSocket({ remote, localAddress, localPort, timeoutMs, signal, onSocket }: DialRequest): Promise<Socket> {
  const target = formatEndpoint(remote)
  const onTimeout = () => new ThroughlineError('ERR_DIAL_TIMEOUT', `${target} did not answer in ${timeoutMs} ms`)
  return bounded({ signal, timeoutMs, what: `the dial to ${target}`, onTimeout }, ({ resolve, reject }) => {
    const socket = connect({
      host: remote.host,
      port: remote.port,
      allowHalfOpen: true,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
      ...(localPort !== undefined && { localPort }),
    })
    onSocket?.(socket)
    let isHandedOver = false
    const onConnect = () => {
      if (isSelfConnect(socket)) return reject(new ThroughlineError('ERR_DIAL_SELF', `${target} is the dialling socket itself`))
      isHandedOver = true
      resolve(socket)
    }
    const onError = (error: Error) => reject(toDialError(error, target))
    socket.on('connect', onConnect).on('error', onError)
    return () => {
      socket.off('connect', onConnect).off('error', onError)
      if (!isHandedOver) socket.on('error', ignore).destroy()
    }
  })
}

/** TCP's simultaneous open lets a socket connect to its own port (RFC 9293 section 3.5). */
export const isSelfConnect = (socket: Socket): boolean => socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress

const ignore = () => {}
