import type { PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { AttemptEvent, AttemptInput, AttemptReason, PeerTarget } from '../attempt/attempt.types.js'
import type { Strategy } from '../strategies.js'

/** What another channel is looked for by. */
export interface SearchInput {
  /** The dial, as it was; or what answers the offer. */
  readonly attempt: AttemptInput
  readonly reason: AttemptReason
  readonly strategies: readonly Strategy[]
  /** Initiator: the peer as it is known now; undefined has it looked up anew. */
  readonly target: PeerTarget | undefined
}

export interface SearchContext extends SearchInput {
  readonly planned: PathPlan | undefined
  readonly failure: Failure | undefined
}

/** What a new attempt takes that no machine may make by itself. */
export interface PathPlan {
  readonly attemptId: string
  readonly startedAtMs: number
  readonly target: PeerTarget | undefined
}

/** What a search is handed for its attempt. */
export type SearchEvent = Extract<AttemptEvent, { readonly type: 'channel.arrived' | 'offer.repeated' }>

/** Whose attempt is planned. */
export interface PathPlanInput {
  readonly sessionKey: string
  readonly target: PeerTarget | undefined
}

/** Gives a new attempt of the session its id, under which channels may arrive. */
export type PlanPathLogic = PromiseActorLogic<PathPlan, PathPlanInput>
