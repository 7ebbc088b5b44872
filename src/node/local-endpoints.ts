import { defaults } from '../config/defaults.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import { ipScope } from '../nat/ip-scope.js'
import { familyOf } from '../protocol/endpoint.js'
import type { InterfaceRecord, NatSummary } from '../protocol/interface-record.js'
import type { StrategyName } from '../protocol/strategy.js'

/** What we tell others about where we listen (protocol 2): global addresses first; loopback only where there is nothing else. */
export function interfaceRecords(own: readonly OwnAddress[], port: number, natAt: (address: string) => NatSummary | undefined = () => undefined): readonly InterfaceRecord[] {
  const records = stated(own).map(({ family, address }): InterfaceRecord => ({ family, local: { host: address, port }, ...natOf(natAt(address)) }))
  return records.length > 0 ? records : [{ family: 4, local: { host: loopback.address, port } }]
}

/** From where we punch: the address of each interface and family that leads furthest; loopback only where there is nothing else, or it was named. */
export function punchPlaces(own: readonly OwnAddress[]): readonly OwnAddress[] {
  const places = stated(widest(own))
  return places.length > 0 ? places : [loopback]
}

/** What an offer, an answer or an update states as punch records, where these are what the punch gathered. */
export type StateWhere = (strategies: readonly StrategyName[], gathered: readonly InterfaceRecord[]) => readonly InterfaceRecord[]

/**
 * Where no punch states it, a relay has to be told from which addresses we come, for its permissions (protocol 4.3): the
 * external ones, at a port that says nothing.
 */
export function stateExternals(externals: readonly string[], port: number): StateWhere {
  return (strategies, gathered) => {
    // the ports of a punch may be on their way, and are not to be forestalled
    const isWanted = strategies.includes('relay') && (gathered.length > 0 || !strategies.includes('punch'))
    const added = ([4, 6] as const).flatMap(family => {
      const stated = gathered.filter(record => record.family === family)
      const room = stated.some(({ external }) => external !== undefined) ? 0 : Math.max(0, defaults.node.maxInterfacesPerFamily - stated.length)
      return externals.filter(host => familyOf(host) === family).slice(0, room)
    })
    return isWanted ? [...gathered, ...added.map(host => ({ family: familyOf(host), external: { host, port } }))] : gathered
  }
}

/** Where we are when there is no interface. */
export const loopback: OwnAddress = { interfaceName: '', family: 4, address: '127.0.0.1', cidr: '127.0.0.1/8' }

/** One address per interface and family: the widest in scope. Link-local ones lead to no server; loopback is there only if it was named. */
export function widest(own: readonly OwnAddress[]): readonly OwnAddress[] {
  const best = new Map<string, OwnAddress>()
  for (const one of own.filter(({ address }) => ipScope(address) !== 'link-local')) {
    const known = best.get(placeKey(one))
    if (known === undefined || (ipScope(known.address) !== 'external' && ipScope(one.address) === 'external')) best.set(placeKey(one), one)
  }
  return [...best.values()]
}

/** Names an interface and family. */
export const placeKey = ({ interfaceName, family }: Pick<OwnAddress, 'interfaceName' | 'family'>): string => `${interfaceName}/${family}`

/** As many of each family as a message holds. */
const stated = (own: readonly OwnAddress[]): readonly OwnAddress[] =>
  ([4, 6] as const).flatMap(family =>
    own
      .filter(address => address.family === family)
      .sort((a, b) => rankOf(a.address) - rankOf(b.address))
      .slice(0, defaults.node.maxInterfacesPerFamily))

/** What is known of the NAT there; nothing where nothing is. */
function natOf(found: NatSummary | undefined): Pick<InterfaceRecord, 'nat'> {
  if (found === undefined || found.mapping === 'unknown') return {}
  const { mapping, filtering, allocation, delta } = found
  return { nat: { mapping, filtering, allocation, delta } }
}

const rankOf = (address: string): number => ['external', 'private', 'link-local', 'loopback', 'forbidden'].indexOf(ipScope(address))
