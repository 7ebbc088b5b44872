import type { NatBehaviour } from '../../protocol/interface-record.js'
import { groupsOf } from './agreement.js'
import { slotKey, type Mapped } from './probes.js'

/** A behaviour, and how many of the observations that could have contradicted it agree. */
export interface MappingFinding {
  readonly mapping: Exclude<NatBehaviour, 'none'>
  readonly agreeing: number
  readonly all: number
  /** Dependent on the destination, but no server has a second port to tell on what: the stricter kind is assumed. */
  readonly isAssumed: boolean
}

/**
 * Finds how mappings depend on the destination (RFC 5780 section 4.3), by comparing those of one local port. Whether two local ports
 * differ is no matter here: a NAT that draws a random port for each local port is endpoint-independent all the same.
 */
export function findMapping(trusted: readonly Mapped[]): MappingFinding {
  const pairs = groupsOf(trusted, ({ slot }) => slotKey(slot)).flatMap(pairsOf)
  const acrossHosts = count(pairs.filter(([a, b]) => a.to.host !== b.to.host))
  const acrossPorts = count(pairs.filter(([a, b]) => a.to.host === b.to.host && a.to.port !== b.to.port))
  if (acrossHosts.all > 0 && acrossHosts.same * 2 >= acrossHosts.all) return { mapping: 'endpoint-independent', agreeing: acrossHosts.same, all: acrossHosts.all, isAssumed: false }
  if (acrossPorts.all > 0 && acrossPorts.same * 2 < acrossPorts.all) {
    const all = acrossHosts.all + acrossPorts.all
    return { mapping: 'address-and-port-dependent', agreeing: all - acrossHosts.same - acrossPorts.same, all, isAssumed: false }
  }
  if (acrossHosts.all === 0) return { mapping: 'unknown', agreeing: 0, all: 0, isAssumed: false }
  const differing = acrossHosts.all - acrossHosts.same
  if (acrossPorts.all === 0) return { mapping: 'address-and-port-dependent', agreeing: differing, all: acrossHosts.all, isAssumed: true }
  return { mapping: 'address-dependent', agreeing: differing + acrossPorts.same, all: acrossHosts.all + acrossPorts.all, isAssumed: false }
}

type Pair = readonly [Mapped, Mapped]

const pairsOf = (samples: readonly Mapped[]): Pair[] => samples.flatMap((one, index) => samples.slice(index + 1).map((other): Pair => [one, other]))

const count = (pairs: readonly Pair[]) => ({ same: pairs.filter(([a, b]) => a.mapped.port === b.mapped.port).length, all: pairs.length })
