import { defaults } from '../config/defaults.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import { ipScope } from '../nat/ip-scope.js'
import type { InterfaceRecord, NatSummary } from '../protocol/interface-record.js'

/** What we tell others about where we listen (protocol 2): global addresses first; loopback only where there is nothing else. */
export function interfaceRecords(own: readonly OwnAddress[], port: number, natAt: (address: string) => NatSummary | undefined = () => undefined): readonly InterfaceRecord[] {
  const records = ([4, 6] as const).flatMap(family =>
    own
      .filter(address => address.family === family)
      .sort((a, b) => rankOf(a.address) - rankOf(b.address))
      .slice(0, defaults.node.maxInterfacesPerFamily)
      .map(({ address }): InterfaceRecord => ({ family, local: { host: address, port }, ...natOf(natAt(address)) })))
  return records.length > 0 ? records : [{ family: 4, local: { host: '127.0.0.1', port } }]
}

/** What is known of the NAT there; nothing where nothing is. */
function natOf(found: NatSummary | undefined): Pick<InterfaceRecord, 'nat'> {
  if (found === undefined || found.mapping === 'unknown') return {}
  const { mapping, filtering, allocation, delta } = found
  return { nat: { mapping, filtering, allocation, delta } }
}

const rankOf = (address: string): number => ['external', 'private', 'link-local', 'loopback', 'forbidden'].indexOf(ipScope(address))
