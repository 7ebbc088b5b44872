import { connect, type Socket } from 'node:net'
import { ThroughlineError } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import { toDialError } from './socket-errors.js'

export type { Socket }

/** What to connect, from where. `local` fixes the source address, and the port where it is given. */
export interface DialRequest {
  readonly remote: Endpoint
  readonly localAddress?: string
  readonly localPort?: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Opens a TCP connection to an IP literal, half-close allowed, Nagle off. The caller owns the socket. Rejects with
 * ERR_DIAL_* or ERR_CANCELLED; nothing is left behind then.
 */
export function dialSocket({ remote, localAddress, localPort, timeoutMs, signal }: DialRequest): Promise<Socket> {
  const target = formatEndpoint(remote)
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new ThroughlineError('ERR_CANCELLED', `the dial to ${target} was cancelled`))
    const socket = connect({
      host: remote.host,
      port: remote.port,
      allowHalfOpen: true,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
      ...(localPort !== undefined && { localPort }),
    })
    const settle = (error?: ThroughlineError) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      socket.off('connect', onConnect).off('error', onError)
      if (error === undefined) return resolve(socket)
      socket.on('error', ignore).destroy()
      reject(error)
    }
    const onConnect = () => settle(isSelfConnect(socket) ? new ThroughlineError('ERR_DIAL_SELF', `${target} is the dialling socket itself`) : undefined)
    const onError = (error: Error) => settle(toDialError(error, target))
    const onAbort = () => settle(new ThroughlineError('ERR_CANCELLED', `the dial to ${target} was cancelled`))
    const timer = setTimeout(() => settle(new ThroughlineError('ERR_DIAL_TIMEOUT', `${target} did not answer in ${timeoutMs} ms`)), timeoutMs)
    signal.addEventListener('abort', onAbort)
    socket.on('connect', onConnect).on('error', onError)
  })
}

/** TCP's simultaneous open lets a socket connect to its own port (RFC 9293 section 3.5). */
const isSelfConnect = (socket: Socket): boolean => socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress

const ignore = () => {}
