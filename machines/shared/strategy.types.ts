import type { Role } from '../../src/protocol/frames.js'
import type { InterfaceRecord } from '../../src/protocol/interface-record.js'
import type { Strategy } from '../strategies.js'
import type { CandidateRecord } from './candidate.types.js'
import type { ConnectionPolicy } from './policy.types.js'

/** Where a peer may be dialled, as its address, offer or answer says. */
export interface PeerEndpoints {
  readonly interfaces: readonly InterfaceRecord[]
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
  /** True while an answer may still come. */
  readonly awaitsAnswer: boolean
  readonly policy: ConnectionPolicy
}

/** What the attempt tells its strategies. */
export type StrategyEvent =
  | { readonly type: 'peer.answered'; readonly endpoints: PeerEndpoints }
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

/** How a strategy ends: it has nothing left to try. */
export interface StrategyOutput {
  readonly strategy: Strategy
}
