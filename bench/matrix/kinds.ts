import { expectedOf } from '../../test/lab/expected-profile.js'
import { natKind, natKinds, type NatKindName, type SiteSpec } from '../../test/support/lab/index.js'
import { pairOutcome, type NatTraits, type PairOutcome } from '../../src/nat/nat-compatibility.js'

/** A network to punch from. */
export interface Kind {
  /** Also of its sites. */
  readonly name: string
  readonly nat: SiteSpec['nat']
}

/**
 * Those of the published matrix, easiest first, with what stands for them in its tables. `symmetric-few-ports` is none
 * of them: one birthday takes all its 256 ports for 4 minutes, so that a dial would tell how long ago the last one was.
 */
const abbreviations = {
  'open': 'OPEN', 'firewall': 'FW', 'full-cone': 'FC', 'cone': 'CO', 'carrier': 'CG', 'restricted': 'RC', 'restricted-rst': 'RC!', 'masquerade': 'MQ', 'masquerade-rst': 'MQ!', 'masquerade-icmp': 'MQi',
  'port-restricted': 'PR', 'port-restricted-rst': 'PR!', 'fragile-rst': 'FR!', 'cone-sequential': 'CS', 'cone-offset': 'CF',
  'address-dependent-sequential': 'AS', 'symmetric-preserving': 'SP', 'symmetric-sequential': 'S+1', 'symmetric-sequential-2': 'S+2', 'symmetric-sequential-rst': 'S+!', 'symmetric-backwards': 'S-1', 'symmetric-per-port': 'SL',
  'symmetric-restricted': 'SA', 'address-dependent': 'AR', 'carrier-symmetric': 'CS512', 'random': 'LR', 'symmetric': 'SR', 'symmetric-rst': 'SR!',
} as const satisfies Partial<Record<NatKindName | 'open', string>>

export const matrixKindNames: readonly string[] = Object.keys(abbreviations)

/** Against these each kind is tried with `--pairs quick`, besides itself. */
export const quickPartners: readonly string[] = ['open', 'restricted', 'masquerade', 'symmetric-sequential', 'symmetric']

export const abbreviationOf = (name: string): string => (abbreviations as Readonly<Record<string, string>>)[name] ?? name

/** A kind of the catalogue by its name, `open` for a public host, or a NAT as JSON. Throws for anything else. */
export function kindOf(name: string): Kind {
  if (name === 'open' || name === 'none') return { name: 'open', nat: 'none' }
  if (name.startsWith('{')) return { name: 'given', nat: JSON.parse(name) as SiteSpec['nat'] }
  if (natKind(name) === undefined) throw new Error(`no NAT is called ${name}; npm run lab -- --list tells all`)
  return { name, nat: name as NatKindName }
}

/** The same with 5 connections a second of other hosts that move its counters. */
export function busyKind(name: NatKindName, othersPerS: number): Kind {
  return { name: `${name}-busy`.slice(0, 28), nat: { ...natKinds[name].nat, othersPerS } }
}

export const summaryOf = (name: string): string => natKind(name)?.summary ?? 'a public address, no NAT'

/** What theory says of two kinds of the catalogue, by what their NATs claim to do with TCP. */
export const theoryOf = (one: string, other: string): PairOutcome => pairOutcome(traitsOf(one), traitsOf(other))

const traitsOf = (name: string): NatTraits => (name === 'open' ? { mapping: 'none', filtering: 'none', allocation: 'none' } : (expectedOf(name as NatKindName).tcp as NatTraits))
