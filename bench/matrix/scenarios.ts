import { distances } from '../../test/lab/punch-stage.js'
import type { FieldOptions } from './field.js'
import { busyKind, kindOf, type Kind } from './kinds.js'

/** Of all dials of a scenario; times in milliseconds. */
export interface Bounds {
  /** 0 to 1. */
  readonly share?: number
  readonly p50Ms?: number
  readonly earlyP50Ms?: number
  readonly p95Ms?: number
  readonly earlyP95Ms?: number
  /** What takes longer counts as failed. */
  readonly withinMs?: number
  /** None may succeed; each ends by then, with a verdict that matches. */
  readonly failsWithinMs?: number
  readonly verdict?: RegExp
}

/** One row of issue 4's "Done when": pairs that are dialled both ways round, with and without firstBytes. */
export interface Scenario {
  readonly name: string
  readonly about: string
  readonly pairs: readonly (readonly [Kind, Kind])[]
  /** Of each pair, way round and form, for one of `--runs`. */
  readonly times: number
  readonly field?: Pick<FieldOptions, 'site' | 'dialler'>
  readonly bounds: Bounds
}

const { P, K } = distances
/** What a pair of keeping NATs may take at most, from `connect()` to the first echoed byte. */
export const keepMs = { plain: 2 * K + 4 * P + 40, early: 2 * K + 3 * P + 40 } as const
/** The physical floors. */
export const floorMs = { plain: 2 * K + 4 * P, early: 2 * K + 3 * P } as const
const inTime = { p50Ms: keepMs.plain, earlyP50Ms: keepMs.early }
const lateBy = (ms: number): Bounds => ({ p95Ms: keepMs.plain + ms, earlyP95Ms: keepMs.early + ms })

const pairs = (...names: readonly (readonly [string, string])[]): Scenario['pairs'] => names.map(([one, other]) => [kindOf(one), kindOf(other)])

const keeping = pairs(['masquerade', 'masquerade'], ['port-restricted', 'port-restricted'], ['masquerade', 'restricted'], ['cone', 'port-restricted'], ['carrier', 'masquerade'], ['firewall', 'masquerade'], ['cone-offset', 'cone-sequential'], ['open', 'port-restricted'])
const answering = pairs(['masquerade-rst', 'masquerade-rst'], ['port-restricted-rst', 'masquerade'], ['port-restricted-icmp', 'port-restricted-icmp'], ['masquerade-icmp', 'port-restricted-rst'], ['firewall-rst', 'masquerade-rst'], ['restricted-rst', 'masquerade'])
const sequential = pairs(
  ['symmetric-sequential', 'masquerade'], ['symmetric-sequential', 'symmetric-sequential'], ['symmetric-sequential-2', 'symmetric-backwards'], ['symmetric-backwards-5', 'port-restricted'],
  ['address-dependent-sequential', 'symmetric-sequential'], ['symmetric-sequential-rst', 'masquerade-rst'], ['symmetric-per-port', 'masquerade'], ['symmetric-preserving', 'symmetric-sequential'],
)
const random = pairs(
  ['symmetric', 'masquerade'], ['random', 'port-restricted'], ['symmetric-rst', 'masquerade'], ['random', 'masquerade-rst'], ['symmetric-rst', 'port-restricted-rst'], ['carrier-symmetric', 'masquerade'],
  ['address-dependent', 'port-restricted'], ['symmetric-rst', 'masquerade-rst'], ['symmetric-rst', 'masquerade-icmp'], ['random-rst', 'masquerade-rst'], ['symmetric-restricted', 'fragile-rst'],
)
const perDestination = pairs(['symmetric', 'open'], ['random', 'restricted'], ['symmetric', 'carrier'], ['address-dependent', 'cone'], ['symmetric-sequential', 'restricted'], ['random', 'open'])
const busy = ([['symmetric-sequential', 'masquerade'], ['symmetric-sequential', 'symmetric-sequential-2'], ['symmetric-backwards', 'masquerade'], ['symmetric-backwards-5', 'symmetric-backwards-5'], ['address-dependent-sequential', 'masquerade']] as const)
  .map(([one, other]) => [busyKind(one, 5), other === 'masquerade' ? kindOf(other) : busyKind(other, 5)] as const)

const wrongClock = (clockOffsetMs: number): Pick<FieldOptions, 'dialler'> => ({ dialler: { clockOffsetMs } })
const lossy = (uplinkLoss: number): Pick<FieldOptions, 'site'> => ({ site: { uplinkLoss } })

/** Lost on the path from peer to peer, which has two uplinks. */
const pathLoss = 0.05

export const scenarios: readonly Scenario[] = [
  { name: 'keep', about: 'both sides keep their mapping', pairs: keeping, times: 2, bounds: { share: 0.995, ...inTime } },
  { name: 'answering', about: 'a NAT answers RST or ICMP', pairs: answering, times: 2, bounds: { share: 0.995, ...lateBy(1_000) } },
  { name: 'fragile', about: 'an RST kills the mapping', pairs: pairs(['fragile-rst', 'fragile-rst'], ['fragile', 'masquerade-rst'], ['fragile-rst', 'masquerade']), times: 2, bounds: { share: 0.995, ...lateBy(2_000) } },
  { name: 'fragile-sequential', about: 'an RST kills the mapping, and the other side counts', pairs: pairs(['fragile-rst', 'symmetric-sequential'], ['fragile', 'symmetric-backwards']), times: 1, bounds: { share: 0.95 } },
  { name: 'sequential', about: 'counters, nobody else moves them', pairs: sequential, times: 1, bounds: { share: 0.95 } },
  { name: 'sequential-busy', about: 'counters that 5 other connections a second move', pairs: busy, times: 2, bounds: { share: 0.8 } },
  { name: 'random', about: 'random x one that keeps its mapping, within 3 s', pairs: random, times: 1, bounds: { share: 0.95, withinMs: 3_000 } },
  { name: 'per-destination', about: 'per destination x public or address-filtered', pairs: perDestination, times: 2, bounds: { share: 0.99 } },
  { name: 'clock-keep', about: 'both keep; a clock is 10 s ahead', pairs: keeping.slice(0, 3), times: 2, field: wrongClock(10_000), bounds: { share: 0.995, ...inTime } },
  { name: 'clock-answering', about: 'RST or ICMP; a clock is 10 s behind', pairs: answering.slice(0, 3), times: 2, field: wrongClock(-10_000), bounds: { share: 0.995, ...lateBy(1_000) } },
  { name: 'clock-sequential', about: 'counters; a clock is 10 s ahead', pairs: sequential.slice(0, 3), times: 2, field: wrongClock(10_000), bounds: { share: 0.95 } },
  { name: 'clock-1s', about: 'all of these; a clock is 1 s behind', pairs: [keeping[0]!, answering[0]!, sequential[1]!], times: 2, field: wrongClock(-1_000), bounds: { share: 0.95 } },
  { name: 'loss', about: '5 % loss on the path', pairs: [keeping[0]!, keeping[1]!, answering[1]!, perDestination[4]!], times: 2, field: lossy(pathLoss / 2), bounds: { share: 0.98 } },
  { name: 'loss-each', about: '5 % loss on each uplink, so 10 % on the path', pairs: [keeping[0]!, answering[1]!], times: 2, field: lossy(pathLoss), bounds: { share: 0.98 } },
  {
    name: 'unjoinable', about: 'no pair of ports can be foretold', times: 0.2, bounds: { failsWithinMs: 10_000, verdict: /random ports per destination.*relay/s },
    pairs: pairs(['symmetric', 'symmetric'], ['random', 'symmetric-rst'], ['random', 'random'], ['carrier-symmetric', 'symmetric']),
  },
  { name: 'unjoinable-sequential', about: 'random x sequential, port-filtered', pairs: pairs(['symmetric', 'symmetric-sequential']), times: 0.2, bounds: { failsWithinMs: 10_000, verdict: /relay/ } },
]
