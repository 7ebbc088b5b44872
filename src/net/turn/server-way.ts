import { isIP } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { defaults } from '../../config/defaults.js'
import { familyOf, formatEndpoint, type Endpoint } from '../../protocol/endpoint.js'
import { formatTurnUrl, type TurnUrl } from '../../protocol/turn-url.js'
import { bounded } from '../bounded.js'
import { dialSocket, type Socket } from '../dial-socket.js'
import { race } from '../race.js'
import { resolveStunServer } from '../stun-resolve.js'
import { countdown } from './countdown.js'
import { relayError, relayTimeout, toRelayError } from './turn-errors.js'
import type { TurnLimits } from './types.js'

/** How the connections of one allocation are made: all alike, all to one address of the server. */
export interface ServerWay {
  readonly server: TurnUrl
  readonly localAddress?: string
  readonly ca?: string
}

/** The addresses of a server, IPv4 first, those alone that fit our own address. Rejects with ERR_RELAY_UNREACHABLE, ERR_RELAY_TIMEOUT or ERR_CANCELLED. */
export async function resolveServer({ server, localAddress }: ServerWay, limits: TurnLimits): Promise<readonly Endpoint[]> {
  const found = await resolveStunServer(formatEndpoint(server), limits).catch((error: unknown) => {
    throw toRelayError(error, formatTurnUrl(server))
  })
  return localAddress === undefined ? [...found[4], ...found[6]] : found[familyOf(localAddress)]
}

/** Connects to the first of `endpoints` that answers, with TLS for `turns:`. The caller owns the socket. Rejects with ERR_RELAY_UNREACHABLE, _TIMEOUT, _TLS or ERR_CANCELLED. */
export async function connectServer(endpoints: readonly Endpoint[], way: ServerWay, limits: TurnLimits): Promise<{ readonly socket: Socket; readonly endpoint: Endpoint }> {
  const name = formatTurnUrl(way.server)
  const left = countdown(limits)
  const dialled = await race({
    ...limits,
    candidates: endpoints,
    staggerMs: defaults.turn.staggerMs,
    open: async (endpoint, signal) => {
      const socket = await dialSocket({ remote: endpoint, timeoutMs: limits.timeoutMs, signal, ...(way.localAddress !== undefined && { localAddress: way.localAddress }) })
      return { socket, endpoint }
    },
    drop: ({ socket }) => socket.destroy(),
    what: `the connection to ${name}`,
    nobody: () => (endpoints.length === 0 ? relayError('ERR_RELAY_UNREACHABLE', name, 'it has no address of a family that fits') : relayTimeout(name, limits.timeoutMs)),
  }).catch((error: unknown) => {
    throw toRelayError(error, name)
  })
  return way.server.isTls ? { ...dialled, socket: await secure(dialled.socket, way, left()) } : dialled
}

/** The certificate has to name the host, or the IP address, that the user has written. */
function secure(raw: Socket, { server, ca }: ServerWay, { timeoutMs, signal }: TurnLimits): Promise<Socket> {
  const name = formatTurnUrl(server)
  return bounded<Socket>({ signal, timeoutMs, what: `the TLS handshake with ${name}`, onTimeout: () => relayTimeout(name, timeoutMs) }, ({ resolve, reject }) => {
    const secured: TLSSocket = connectTls({ socket: raw, host: server.host, ...(isIP(server.host) === 0 && { servername: server.host }), ...(ca !== undefined && { ca }), minVersion: 'TLSv1.2' })
    let isHandedOver = false
    const onSecure = () => {
      isHandedOver = true
      resolve(secured)
    }
    const onError = (error: Error) => reject(relayError('ERR_RELAY_TLS', name, error.message, error))
    const onClose = () => reject(relayError('ERR_RELAY_TLS', name, 'the connection ended during the TLS handshake'))
    secured.on('secureConnect', onSecure).on('error', onError).on('close', onClose)
    return () => {
      secured.off('secureConnect', onSecure).off('error', onError).off('close', onClose)
      if (isHandedOver) return
      secured.on('error', () => {}).destroy()
      raw.destroy()
    }
  })
}
