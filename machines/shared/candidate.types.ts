import type { Failure, ErrorCode } from '../../src/errors/index.js'
import type { Family } from '../../src/protocol/endpoint.js'
import type { StrategyName } from '../../src/protocol/strategy.js'
import type { PunchMethod } from '../../src/nat/punch/volley.js'
import type { Scope } from '../../src/streams/pipe/types.js'

/** One pair of endpoints a strategy may try. Endpoints are text, as our own socket sees them. */
export interface Candidate {
  /** Unique within its attempt. */
  readonly id: string
  readonly strategy: StrategyName
  readonly scope: Scope
  readonly family: Family
  /** How a punch is to come through. */
  readonly method?: PunchMethod
  /** Of a channel by relay: the endpoint of the relay. */
  readonly relay?: string
  /** `''` until there is a socket that has an address. */
  readonly local: string
  readonly remote: string
  /** Source address to bind; undefined leaves it to the route table. */
  readonly bind?: string
  /** The dial is given up by then, ms of the node's clock: the stagger does not prolong an attempt. */
  readonly deadlineAtMs?: number
}

/** Where a candidate stands. `elected` and everything after it are outcomes. */
export type CandidateStatus =
  | 'dialling'
  | 'securing'
  | 'secured'
  | 'elected'
  | 'lost'
  | 'failed'
  | 'cancelled'
  | 'skipped'

/** A candidate with its history; what `attempt.report()` lists. Times are milliseconds of the node's monotonic clock. */
export interface CandidateRecord extends Candidate {
  readonly status: CandidateStatus
  readonly startedAtMs: number
  readonly updatedAtMs: number
  readonly error?: Failure
  readonly rttMs?: number
}

/** Why a connection came out as it did, and what would help. */
export interface Verdict {
  readonly code: ErrorCode | 'OK'
  readonly text: string
  readonly advice: string
}
