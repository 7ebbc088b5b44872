import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { ThroughlineError } from '../errors/index.js'
import { errnoOf } from './socket-errors.js'

/**
 * Opens a UDP port for this process alone; 0 = any free one. The caller owns the socket, whose errors are swallowed: an ICMP error does not
 * say which datagram it is about. Rejects with ERR_PORT_IN_USE, ERR_NO_INTERFACE or ERR_LISTEN.
 */
export async function bindUdp(host: string, port: number): Promise<Socket> {
  const isIpv6 = host.includes(':')
  // `::` takes IPv4 too
  const socket = createSocket({ type: isIpv6 ? 'udp6' : 'udp4', ipv6Only: isIpv6 && host !== '::' })
  try {
    socket.bind({ address: host, port, exclusive: true })
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw toBindError(error, host, port)
  }
  return socket.on('error', () => {})
}

function toBindError(error: unknown, host: string, port: number): ThroughlineError {
  const errno = errnoOf(error)
  const code = errno === 'EADDRINUSE' ? 'ERR_PORT_IN_USE' : errno === 'EADDRNOTAVAIL' ? 'ERR_NO_INTERFACE' : 'ERR_LISTEN'
  return new ThroughlineError(code, `cannot use UDP port ${port} of ${host}: ${errno || String(error)}`, { cause: error, facts: { host, port } })
}
