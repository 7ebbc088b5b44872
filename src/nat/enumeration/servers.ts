import { familyOf, type Endpoint } from '../../protocol/endpoint.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import { ipScope } from '../ip-scope.js'
import { mappedOf, type ProbeRound } from './probes.js'

/** What else a server answers at (RFC 5780): its other port, its other address, and there with the other port. */
export interface OtherEndpoints {
  readonly port?: Endpoint
  readonly address?: Endpoint
  readonly both?: Endpoint
}

/** Endpoints of a server by what it answered, over either transport. Another family, or another kind of address than its own, is not believed: nobody sends us anywhere. */
export function otherEndpoints(rounds: readonly ProbeRound[], server: Endpoint): OtherEndpoints {
  const other = [...mappedOf(rounds, 'udp'), ...mappedOf(rounds, 'tcp')].find(one => isSame(one.to, server) && one.other !== undefined)?.other
  if (other === undefined || familyOf(other.host) !== familyOf(server.host) || ipScope(other.host) !== ipScope(server.host)) return {}
  const hasPort = other.port !== server.port
  const hasAddress = !isSameHost(other.host, server.host)
  return {
    ...(hasPort && { port: { host: server.host, port: other.port } }),
    ...(hasAddress && { address: { host: other.host, port: server.port } }),
    ...(hasPort && hasAddress && { both: other }),
  }
}

const isSame = (one: Endpoint, other: Endpoint): boolean => one.port === other.port && one.host === other.host
