import type { ErrorActorEvent, PromiseActorLogic } from 'xstate'
import type { StrategyName } from '../../src/protocol/strategy.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import type { PeerEndpoints, StrategyEvent, StrategyInput } from '../shared/strategy.types.js'

export interface DialContext extends StrategyInput {
  /** Candidates not started yet, best first. */
  readonly queue: readonly Candidate[]
  /** Keys of what was planned so far: an answer may repeat the endpoints of the address. */
  readonly planned: readonly string[]
  /** Ids of candidates under way. */
  readonly live: readonly string[]
  /** Endpoints are known that were not planned yet. */
  readonly hasNews: boolean
  /** An election runs: nothing new starts. */
  readonly isHeld: boolean
}

export type DialEvent =
  | StrategyEvent
  | { readonly type: 'candidate.changed'; readonly candidate: CandidateRecord }
  | { readonly type: 'candidate.secured'; readonly channelId: string; readonly candidate: CandidateRecord }
  | { readonly type: 'candidate.failed'; readonly candidate: CandidateRecord }
  /** A candidate's machine broke. */
  | ErrorActorEvent

export interface PlanInput {
  readonly strategy: StrategyName
  readonly role: StrategyInput['role']
  readonly peerId: string
  readonly endpoints: PeerEndpoints | undefined
  readonly planned: readonly string[]
}

/** What to dial, best first, and what the safety rules leave out. */
export interface Plan {
  readonly candidates: readonly Candidate[]
  readonly skipped: readonly CandidateRecord[]
  /** One for each of both: what a later plan of the same strategy leaves out. */
  readonly keys: readonly string[]
}

export type PlanCandidatesLogic = PromiseActorLogic<Plan, PlanInput>
