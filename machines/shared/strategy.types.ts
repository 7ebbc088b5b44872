import type { Failure } from '../../src/errors/index.js'
import type { Role } from '../../src/protocol/frames.js'
import type { InterfaceRecord } from '../../src/protocol/interface-record.js'
import type { RelayRecord } from '../../src/protocol/relay-record.js'
import type { StrategyName } from '../../src/protocol/strategy.js'
import type { Strategy } from '../strategies.js'
import type { CandidateRecord } from './candidate.types.js'
import type { ConnectionPolicy } from './policy.types.js'

/** Where a peer may be dialled, as its address, offer or answer says. */
export interface PeerEndpoints {
  readonly interfaces: readonly InterfaceRecord[]
  /** Where the peer can be hit by a punch; empty when unknown. */
  readonly punch: readonly InterfaceRecord[]
  /** Where it can be reached through a relay; empty when unknown. */
  readonly relay: readonly RelayRecord[]
  /** Proved by the machine tag: loopback and our own addresses may be dialled. */
  readonly isSameMachine: boolean
}

/** What every strategy is given. */
export interface StrategyInput {
  readonly strategy: Strategy
  readonly role: Role
  readonly peerId: string
  /** Of the session in the registry. */
  readonly sessionKey: string
  readonly sessionId: string
  readonly attemptId: string
  /** Known at the start; `undefined` when only the answer will tell. */
  readonly endpoints: PeerEndpoints | undefined
  /** What runs at the same time. */
  readonly beside: readonly Strategy[]
  /** True while an answer may still come. */
  readonly awaitsAnswer: boolean
  readonly policy: ConnectionPolicy
}

/** What the attempt tells its strategies. */
export type StrategyEvent =
  /** `roundTripMs`: an offer and its answer took so long. `strategies`: those the peer takes part in. */
  | { readonly type: 'peer.answered'; readonly endpoints: PeerEndpoints; readonly roundTripMs: number; readonly strategies?: readonly StrategyName[] }
  /** Responder: our answer has left; a volley that leaves so much later meets the initiator's. */
  | { readonly type: 'answer.sent'; readonly alignMs: number }
  /** The peer gathered anew: these take the place of its records. */
  | { readonly type: 'peer.updated'; readonly round: number; readonly punch: readonly InterfaceRecord[]; readonly relay: readonly RelayRecord[] }
  /** The initiator named the moment at which both fire. */
  | { readonly type: 'peer.committed'; readonly round: number; readonly inMs: number }
  | { readonly type: 'signalling.ended' }
  /** A channel is being opened: start nothing new. */
  | { readonly type: 'election.started' }
  /** It came to nothing: go on. */
  | { readonly type: 'election.failed' }

/** What strategies tell their attempt. A secured channel belongs to the attempt from then on. */
export type StrategyReport =
  | { readonly type: 'candidate.changed'; readonly candidate: CandidateRecord }
  | { readonly type: 'channel.secured'; readonly channelId: string; readonly candidate: CandidateRecord }
  | { readonly type: 'strategy.exhausted'; readonly strategy: Strategy }
  /** Records for the peer, in place of those it has. */
  | { readonly type: 'punch.gathered'; readonly round: number; readonly records: readonly InterfaceRecord[] }
  /** Where the peer can reach us through a relay, in place of what it was told; or why nowhere. */
  | { readonly type: 'relay.gathered'; readonly records: readonly RelayRecord[]; readonly failure?: Failure }
  /** Initiator: the moment at which both shall fire, for the peer. */
  | { readonly type: 'punch.committed'; readonly round: number; readonly inMs: number }

/** How a strategy ends: it has nothing left to try. */
export interface StrategyOutput {
  readonly strategy: Strategy
}
