import { defaults } from '../../config/defaults.js'
import type { Endpoint, Family } from '../../protocol/endpoint.js'
import type { InterfaceRecord, NatSummary, PortAllocation } from '../../protocol/interface-record.js'
import { ipScope } from '../ip-scope.js'
import { mobility, type Mobility } from '../nat-compatibility.js'
import type { NatProfile } from '../nat-profile.js'
import { foretell, windowFor } from './aim.js'
import type { PunchSite } from './volley.js'

/**
 * What a site is made from: `mapping`, a local port whose mapping a server told, its connection kept open; `sample`, the same right before
 * the moment; `neighbours`, a sample from a local port whose next one is free; `freshPort`, a free local port no server has seen; or nothing.
 */
export type SiteNeed = 'mapping' | 'sample' | 'freshPort' | 'neighbours' | 'none'

/** What the NAT asks for; without `isSampling`, before a moment is agreed on, nothing is foretold. A block of ports is looked for anew each time: the last may be used up. */
export function siteNeed(nat: NatProfile | undefined, isSampling: boolean): SiteNeed {
  const kind = mobilityOf(nat)
  if (kind === 'kept' || kind === 'open') return 'mapping'
  if (kind === 'random' && blockOf(nat) !== undefined) return 'sample'
  return kind === 'predictable' && isSampling ? (foretelling[nat?.allocation ?? 'unknown'] ?? 'none') : 'none'
}

const { maxBlock, minReach } = defaults.punch

const foretelling: Readonly<Partial<Record<PortAllocation, SiteNeed>>> = { sequential: 'sample', equal: 'freshPort', offset: 'freshPort', dependent: 'neighbours' }

/** What is known of an interface and family, and what was gathered as `siteNeed` said. */
export interface SiteFacts {
  /** Our address. */
  readonly host: string
  readonly family: Family
  readonly nat: NatProfile | undefined
  /** Our external address, as far as known. */
  readonly external: string | null
  /** The port that was gathered, or one held for peers on our link. */
  readonly local?: Endpoint
  /** Its mapping. */
  readonly mapped?: Endpoint
  readonly isSampling: boolean
}

/** Makes a site (docs/decisions/0015): its ports, and where the peer can hit them. Where a port can't be foretold the one stated tells the address only. */
export function makeSite(facts: SiteFacts): PunchSite {
  const { host, family, nat, local } = facts
  const kind = mobilityOf(nat)
  const { localPorts, external } = kind === 'kept' || kind === 'open' ? kept(facts) : (foretold(facts) ?? unforetold(facts))
  return {
    host,
    localPorts,
    record: {
      family,
      ...(local !== undefined && { local }),
      ...(external !== undefined && { external }),
      ...(nat !== undefined && { nat: summaryOf(nat) }),
      ...(kind === 'random' && rangeOf(facts)),
    },
  }
}

interface Place {
  readonly localPorts: readonly number[]
  readonly external: Endpoint | undefined
}

function kept({ host, nat, local, mapped }: SiteFacts): Place {
  // a global address of our own is no NAT's, as far as nobody says otherwise
  const isPublic = nat?.mapping === 'none' || (ipScope(host) === 'external' && (nat?.mapping ?? 'unknown') === 'unknown')
  return { localPorts: [local?.port ?? 0], external: mapped ?? (isPublic ? local : undefined) }
}

function foretold({ nat, external, local, mapped, isSampling }: SiteFacts): Place | undefined {
  if (nat === undefined || !isSampling || local === undefined) return undefined
  const { allocation, delta } = nat
  const host = mapped?.host ?? external
  if (host !== null && (allocation === 'equal' || allocation === 'offset')) {
    return { localPorts: [local.port], external: { host, port: foretell(local.port, 1, allocation === 'equal' ? 0 : delta) } }
  }
  if (mapped === undefined) return undefined
  const after = (steps: number): Endpoint => ({ host: mapped.host, port: foretell(mapped.port, steps, delta) })
  // the last of them if nobody else comes, an earlier one for each who does
  if (allocation === 'sequential') return { localPorts: Array<number>(windowFor(nat.confidence)).fill(0), external: after(windowFor(nat.confidence)) }
  // a NAT that counts for each local port by itself gives the second one the same
  return allocation === 'dependent' ? { localPorts: [local.port + 1, local.port], external: after(1) } : undefined
}

/** The address is enough for a filter to let us in. */
function unforetold({ nat, external, local, mapped }: SiteFacts): Place {
  const host = mapped?.host ?? external
  const port = mapped?.port ?? nat?.range?.[0] ?? local?.port
  return { localPorts: [0], external: host !== null && port !== undefined ? { host, port } : undefined }
}

/** The ports seen of a block that a carrier gave us (RFC 7422); undefined where ports come from everywhere. */
function blockOf(nat: NatProfile | undefined): readonly [low: number, high: number] | undefined {
  return nat?.range && nat.range[1] - nat.range[0] < maxBlock ? nat.range : undefined
}

/** Where our ports are likely to be: where they were seen, or around one that was given elsewhere since. */
function rangeOf({ nat, mapped }: SiteFacts): Pick<InterfaceRecord, 'range'> {
  const block = blockOf(nat)
  const port = mapped?.port
  if (block === undefined || port === undefined || (port >= block[0] && port <= block[1])) return nat?.range ? { range: nat.range } : {}
  const reach = Math.max(minReach, block[1] - block[0])
  return { range: [Math.max(1, port - reach), Math.min(65_535, port + reach)] }
}

const mobilityOf = (nat: NatProfile | undefined): Mobility => (nat === undefined ? 'kept' : mobility(nat))

const summaryOf = ({ mapping, filtering, allocation, delta }: NatProfile): NatSummary => ({ mapping, filtering, allocation, delta })
