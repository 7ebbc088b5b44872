import type { CallbackActorLogic, ErrorActorEvent, PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { OwnRelay } from '../../src/nat/relay/plan-ways.js'
import type { RelayReach } from '../../src/nat/relay/relay-reach.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import type { PeerEndpoints, StrategyEvent, StrategyInput } from '../shared/strategy.types.js'

export interface RelayContext extends StrategyInput {
  /** Relayed endpoints of ours. */
  readonly own: readonly OwnRelay[]
  /** Our servers were asked. */
  readonly hasAsked: boolean
  /** And have not answered yet. */
  readonly isAllocating: boolean
  /** Why there is none. */
  readonly failure: Failure | undefined
  /** What the peer states, as it said last. */
  readonly peer: PeerEndpoints | undefined
  /** False when the answer leaves out this strategy: nothing will come from there. */
  readonly takesPart: boolean
  /** Keys of the ways planned so far. */
  readonly planned: readonly string[]
  /** A plan was made, or could not be made. */
  readonly hasPlanned: boolean
  /** Of the candidates under way, their keys by id. */
  readonly live: Readonly<Record<string, string>>
  /** Keys of those that came to nothing. */
  readonly failed: readonly string[]
  /** A channel is the attempt's, which has not opened it in vain yet. */
  readonly hasHandedOver: boolean
  /** Something is known that was not planned for. */
  readonly hasNews: boolean
  /** An election runs: nothing new starts. */
  readonly isHeld: boolean
}

/** What the actor that holds our relays tells. */
export type RelaysEvent =
  /** A server gave us a relayed endpoint. */
  | { readonly type: 'relay.allocated'; readonly relay: OwnRelay }
  /** None of our servers does, or there is none. */
  | { readonly type: 'relay.unavailable'; readonly failure: Failure }
  /** It is gone: the server died, or took it back. */
  | { readonly type: 'relay.lost'; readonly allocationId: string; readonly failure: Failure }

export type RelayEvent =
  | StrategyEvent
  | RelaysEvent
  | { readonly type: 'candidate.changed'; readonly candidate: CandidateRecord }
  | { readonly type: 'candidate.secured'; readonly channelId: string; readonly candidate: CandidateRecord }
  | { readonly type: 'candidate.failed'; readonly candidate: CandidateRecord }
  /** A candidate's machine broke. */
  | ErrorActorEvent

/** What the holder of our relays is asked. */
export type RelaysRequest =
  /** A relayed endpoint, on the first server that answers; with permissions for what is known of the peer. */
  | { readonly type: 'relay.allocate'; readonly peer: PeerEndpoints | undefined }
  /** The peer may come from where it says now. */
  | { readonly type: 'relay.permit'; readonly peer: PeerEndpoints }

/** Holds the relayed endpoints of an attempt as long as it runs. */
export type RelaysLogic = CallbackActorLogic<RelaysRequest, Pick<StrategyInput, 'peerId' | 'sessionKey' | 'role'>>

export interface PlanWaysInput extends Pick<StrategyInput, 'role' | 'peerId' | 'beside'> {
  readonly own: readonly OwnRelay[]
  readonly peer: PeerEndpoints | undefined
  readonly failed: readonly string[]
  readonly planned: readonly string[]
}

/** What to try, and what the safety rules leave out. */
export interface Ways {
  readonly candidates: readonly { readonly candidate: Candidate; readonly relay: RelayReach; readonly key: string }[]
  readonly skipped: readonly CandidateRecord[]
  /** One for each of both: what a later plan of the same attempt leaves out. */
  readonly keys: readonly string[]
}

/** Pairs our relays with the peer's, under the safety rules. */
export type PlanWaysLogic = PromiseActorLogic<Ways, PlanWaysInput>
