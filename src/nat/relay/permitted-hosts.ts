import { familyOf, type Endpoint, type Family } from '../../protocol/endpoint.js'
import type { InterfaceRecord } from '../../protocol/interface-record.js'
import type { RelayRecord } from '../../protocol/relay-record.js'
import { ipScope } from '../ip-scope.js'

/** What a peer states about where it is. */
export interface StatedEndpoints {
  readonly interfaces: readonly InterfaceRecord[]
  readonly punch: readonly InterfaceRecord[]
  readonly relay: readonly RelayRecord[]
  /** Proved by the machine tag. */
  readonly isSameMachine: boolean
}

/**
 * The addresses a peer may come from to our relayed endpoint: its external ones, and those of its relays, from where it
 * connects when its own dial fails. Private ones only where the relay itself is on such a network; loopback only where
 * both are on one machine.
 */
export function permittedHosts(peer: StatedEndpoints, relayed: Endpoint): readonly string[] {
  const family = familyOf(relayed.host)
  const scope = ipScope(relayed.host)
  const isNear = scope === 'private' || scope === 'loopback'
  const mayCome = (host: string): boolean => {
    const kind = ipScope(host)
    if (kind === 'loopback') return scope === 'loopback' && peer.isSameMachine
    return kind === 'external' || (isNear && kind === 'private')
  }
  const own = scope === 'loopback' ? [relayed.host] : []
  return [...new Set([...hostsOf(peer), ...own])].filter(host => familyOf(host) === family && mayCome(host))
}

/** The family a relayed endpoint needs where that of the server would reach nobody: undefined = that of the server will do. */
export function familyOfPeer(peer: StatedEndpoints): Family | undefined {
  const families = new Set(hostsOf(peer).filter(host => ipScope(host) === 'external').map(familyOf))
  const [only] = families
  return families.size === 1 ? only : undefined
}

const hostsOf = ({ interfaces, punch, relay }: StatedEndpoints): readonly string[] => [
  ...[...interfaces, ...punch].flatMap(({ local, external }) => [external?.host, local?.host]),
  ...relay.map(({ relayed }) => relayed.host),
].filter(host => host !== undefined)
