import type { CallbackActorLogic, ErrorActorEvent, PromiseActorLogic } from 'xstate'
import type { PunchSite, Volley } from '../../src/nat/punch/volley.js'
import type { InterfaceRecord } from '../../src/protocol/interface-record.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import type { StrategyEvent, StrategyInput } from '../shared/strategy.types.js'

export interface PunchContext extends StrategyInput {
  /** 0: what offer and answer said; each commit begins the next. */
  readonly round: number
  readonly sites: readonly PunchSite[]
  /** Where the peer can be hit, as it said last. */
  readonly peer: readonly InterfaceRecord[]
  /** Of that. */
  readonly peerRound: number
  readonly isSameMachine: boolean
  /** From entering the round to its moment. */
  readonly momentMs: number
  readonly isMomentPast: boolean
  /** An offer and its answer took so long. */
  readonly roundTripMs: number
  /** Keys of the volleys planned so far: an update may repeat what is known. */
  readonly planned: readonly string[]
  /** Some volley was fired. */
  readonly hasFired: boolean
  /** Ids of candidates under way. */
  readonly live: readonly string[]
  /** The peer stated something that was not planned for. */
  readonly hasNews: boolean
  /** An election runs: nothing new starts. */
  readonly isHeld: boolean
}

export type PunchEvent =
  | StrategyEvent
  /** The ports actor: sites of ours, gathered for a round. */
  | { readonly type: 'sites.gathered'; readonly round: number; readonly sites: readonly PunchSite[] }
  | { readonly type: 'candidate.changed'; readonly candidate: CandidateRecord }
  | { readonly type: 'candidate.secured'; readonly channelId: string; readonly candidate: CandidateRecord }
  | { readonly type: 'candidate.failed'; readonly candidate: CandidateRecord }
  /** A candidate's machine broke. */
  | ErrorActorEvent

/** What the ports actor is asked. */
export type PortsRequest =
  /** Sites for a round; the first takes what is warm, later ones sample anew where a NAT maps per destination. */
  | { readonly type: 'ports.gather'; readonly round: number; readonly isSampling: boolean }
  /** SYNs leave from the ports: they will not serve another attempt. */
  | { readonly type: 'ports.used' }

/** Holds the ports of an attempt as long as it runs, and tells what sites they make. */
export type PortsLogic = CallbackActorLogic<PortsRequest, Pick<StrategyInput, 'peerId' | 'sessionKey'>>

export interface AimInput {
  readonly role: StrategyInput['role']
  readonly peerId: string
  readonly attemptId: string
  readonly sites: readonly PunchSite[]
  readonly peer: readonly InterfaceRecord[]
  readonly isSameMachine: boolean
  readonly beside: StrategyInput['beside']
  readonly round: number
  readonly planned: readonly string[]
}

/** Volleys to fire, best first, and what the safety rules leave out. */
export interface Aim {
  readonly volleys: readonly { readonly candidate: Candidate; readonly volley: Volley }[]
  readonly skipped: readonly CandidateRecord[]
  /** One for each of both: what a later plan of the same attempt leaves out. */
  readonly keys: readonly string[]
}

/** Pairs our sites with the peer's, under the safety rules. */
export type TakeAimLogic = PromiseActorLogic<Aim, AimInput>
