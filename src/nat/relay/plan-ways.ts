import type { ErrorCode } from '../../errors/index.js'
import { familyOf, formatEndpoint, type Endpoint, type Family } from '../../protocol/endpoint.js'
import type { RelayRecord } from '../../protocol/relay-record.js'
import { planDials, type OwnAddress } from '../dial-plan.js'
import { ipScope } from '../ip-scope.js'
import type { RelayReach } from './relay-reach.js'

/** A relayed endpoint of ours. */
export interface OwnRelay {
  /** In the table of allocations. */
  readonly allocationId: string
  readonly record: RelayRecord
}

/** What the plan rests on. */
export interface WaysInput {
  readonly own: readonly OwnRelay[]
  /** What the peer states. */
  readonly peer: readonly RelayRecord[]
  readonly addresses: readonly OwnAddress[]
  readonly isSameMachine: boolean
  /** As for every dial (docs/security.md). */
  readonly mayDialPrivate: boolean
  /** Keys of dials that came to nothing. */
  readonly failed: readonly string[]
}

/** One way to a channel by relay, or why it is left out. */
export interface PlannedWay extends Pick<RelayReach, 'way' | 'server' | 'allocationId'> {
  readonly key: string
  readonly family: Family
  /** The relayed endpoint: ours where the peer comes, else the peer's. */
  readonly remote: Endpoint
  readonly bind: string | undefined
  readonly skip: ErrorCode | undefined
}

/** The ways there are: the peer may come to each of ours, we dial each of the peer's, and where no dial gets there our allocations do. */
export function planWays(input: WaysInput): readonly PlannedWay[] {
  const dials = input.peer.map(record => ({ record, ways: dialsOf(record, input) }))
  return [
    ...input.own.map(awaiting),
    ...dials.flatMap(({ ways }) => ways),
    ...dials.flatMap(({ record, ways }) => (ways.every(way => isDead(way, input)) ? connectsOf(record, input) : [])),
  ]
}

const awaiting = ({ allocationId, record: { relayed, server } }: OwnRelay): PlannedWay => ({
  way: 'await', key: `await ${allocationId}`, family: familyOf(relayed.host), remote: relayed, server: formatEndpoint(server), allocationId, bind: undefined, skip: undefined,
})

function dialsOf({ relayed, server }: RelayRecord, { addresses, isSameMachine, mayDialPrivate }: WaysInput): PlannedWay[] {
  const dials = planDials({ interfaces: [{ family: familyOf(relayed.host), external: relayed }], own: addresses, isSameMachine, mayDialPrivate })
  // one machine has loopback, which leads to listeners of it, not to a relay elsewhere
  return dials.filter(({ remote }) => ipScope(remote.host) !== 'loopback' || remote.host === relayed.host).map(({ remote, family, bind, skip }): PlannedWay => ({
    way: 'dial', key: `${skip === undefined ? '' : `${skip} `}dial ${bind ?? '*'} ${formatEndpoint(remote)}`, family, remote, server: formatEndpoint(server), bind, skip,
  }))
}

/** A dial that failed, or cannot be made from here. What the safety rules forbid us our relay is not asked for either. */
const isDead = ({ key, skip }: PlannedWay, { failed }: WaysInput): boolean => skip === 'ERR_DIAL_UNREACHABLE' || failed.includes(key)

function connectsOf({ relayed }: RelayRecord, { own }: WaysInput): PlannedWay[] {
  return own.filter(({ record }) => familyOf(record.relayed.host) === familyOf(relayed.host)).map(({ allocationId, record }) => ({
    way: 'connect', key: `connect ${allocationId} ${formatEndpoint(relayed)}`, family: familyOf(relayed.host), remote: relayed, server: formatEndpoint(record.server),
    allocationId, bind: undefined, skip: undefined,
  }))
}
