import { ThroughlineError } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import type { Change } from '../protocol/stun/change-request.js'
import { isSameHost } from '../protocol/stun/ip-bytes.js'
import { bounded } from './bounded.js'
import { listen } from './listener.js'
import { badReply, stunTimeout } from './stun-binding.js'
import type { StunTcpConnection, StunTcpLimits } from './stun-tcp-client.js'

/** `port`: have another local port dialled than that of the connection, one that has sent nothing; without NAT only. */
export interface DialBackLimits extends StunTcpLimits {
  readonly port?: number
}

/**
 * Measures TCP filtering: has the server dial the mapping of `connection` from a port, or from an address and port, that were never
 * contacted, and tells whether that arrived within `timeoutMs` (docs/protocol.md section 6). The local port listens meanwhile, so nothing
 * can be dialled from it. Rejects with ERR_STUN_REFUSED (a server that does not dial back included), ERR_STUN_TIMEOUT (no answer),
 * ERR_STUN_BAD_REPLY, ERR_PORT_IN_USE, ERR_LISTEN or ERR_CANCELLED; nothing listens then.
 */
export async function askDialBack(connection: StunTcpConnection, change: Change, { timeoutMs, signal, port }: DialBackLimits): Promise<boolean> {
  const { local, server, binding } = connection
  const expected = change.address ? binding.other?.host : server.host
  if (expected === undefined) throw noDialBack(server)
  const startMs = performance.now()
  let onArrival = () => {}
  const arrival = new Promise<void>(resolve => (onArrival = resolve))
  const listener = await listen({
    hosts: [local.host],
    port: port ?? local.port,
    onSocket: socket => {
      if (isSameHost(socket.remoteAddress ?? '', expected)) onArrival()
      socket.on('error', () => {}).destroy()
    },
  })
  try {
    const { dialBack } = await connection.refresh({ change, timeoutMs, signal, ...(port !== undefined && { responsePort: port }) })
    if (dialBack?.address !== change.address || dialBack.port !== change.port) throw noDialBack(server)
    return await arrives(arrival, connection, { timeoutMs: Math.max(timeoutMs - (performance.now() - startMs), 1), signal })
  } finally {
    await listener.close()
  }
}

async function arrives(arrival: Promise<void>, { server, closed }: StunTcpConnection, { timeoutMs, signal }: StunTcpLimits): Promise<boolean> {
  const late = stunTimeout(server, timeoutMs)
  try {
    await bounded<void>({ signal, timeoutMs, what: `the dial-back of ${formatEndpoint(server)}`, onTimeout: () => late }, ({ resolve, reject }) => {
      void arrival.then(resolve)
      // silence of a server that is gone says nothing about the NAT
      void closed.then(() => reject(badReply(server, 'the connection ended before it dialled back')))
      return () => {}
    })
    return true
  } catch (error) {
    if (error === late) return false
    throw error
  }
}

const noDialBack = (server: Endpoint) =>
  new ThroughlineError('ERR_STUN_REFUSED', `${formatEndpoint(server)} does not dial back as asked`, { facts: { server: formatEndpoint(server) } })
