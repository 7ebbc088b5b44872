import { formatEndpoint, type Endpoint } from '../../protocol/endpoint.js'
import type { NatBehaviour } from '../../protocol/interface-record.js'
import type { Transport } from '../nat-profile.js'
import { mappedOf, type FilterAsk, type FilteringObservation, type ProbeRound } from './probes.js'
import { otherEndpoints } from './servers.js'

/**
 * Finds who may send to our external ports (RFC 5780 section 4.4), from what was asked of servers that are believed. An arrival is proof.
 * Silence counts after all its tries, and over UDP only where the endpoint it should have come from answers otherwise; else the
 * filter is `unknown`. `none` needs an arrival at a port that had sent nothing.
 */
export function findFiltering(rounds: readonly ProbeRound[], transport: Transport, believed: ReadonlySet<string>): NatBehaviour {
  const asked = rounds
    .filter(({ batch }) => batch.transport === transport)
    .flatMap(({ observations }) => observations.filter(one => one.kind === 'filtering'))
    .filter(({ server }) => believed.has(server.host))
  const hasArrived = (ask: FilterAsk) => asked.some(one => one.ask === ask && one.outcome === 'arrived')
  const answering = new Set(mappedOf(rounds, transport).map(({ to }) => formatEndpoint(to)))
  const isSilent = (ask: FilterAsk) =>
    !hasArrived(ask) && asked.some(one => one.ask === ask && one.outcome === 'nothing' && (transport === 'tcp' || isAlive(one, otherEndpoints(rounds, one.server), answering)))
  if (hasArrived('unsolicited')) return 'none'
  if (hasArrived('other-address')) return 'endpoint-independent'
  if (hasArrived('other-port')) return isSilent('other-address') ? 'address-dependent' : 'unknown'
  return isSilent('other-port') ? 'address-and-port-dependent' : 'unknown'
}

/** Over TCP the server says that it dials; over UDP a server that can't send from there looks like a filter. */
function isAlive({ ask }: FilteringObservation, others: ReturnType<typeof otherEndpoints>, answering: ReadonlySet<string>): boolean {
  const origin: Endpoint | undefined = ask === 'other-port' ? others.port : others.both
  return origin !== undefined && answering.has(formatEndpoint(origin))
}
