import type { CallbackActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { Volley } from '../../src/nat/punch/volley.js'
import type { RelayReach } from '../../src/nat/relay/relay-reach.js'
import type { Role } from '../../src/protocol/frames.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import type { ConnectionPolicy } from '../shared/policy.types.js'

/** What is dialled, and whom we expect there. */
export interface CandidateInput {
  readonly candidate: Candidate
  /** Of a punch: which SYNs leave, from where. */
  readonly volley?: Volley
  /** By a relay: which way. */
  readonly relay?: RelayReach
  readonly peerId: string
  readonly role: Role
  readonly sessionKey: string
  readonly sessionId: string
  readonly attemptId: string
  readonly policy: ConnectionPolicy
}

export interface CandidateContext extends CandidateInput {
  readonly record: CandidateRecord
  readonly channelId: string | undefined
}

export type CandidateEvent =
  /** There is no connection yet after a moment: worth telling. */
  | { readonly type: 'dial.slow'; readonly local: string; readonly startedAtMs: number }
  | { readonly type: 'dial.connected'; readonly local: string; readonly remote?: string; readonly startedAtMs: number; readonly atMs: number; readonly rttMs: number }
  | { readonly type: 'dial.failed'; readonly failure: Failure; readonly local: string; readonly startedAtMs: number; readonly atMs: number }
  /** `rttMs`: where only now it is known. */
  | { readonly type: 'secure.done'; readonly channelId: string; readonly atMs: number; readonly rttMs?: number }
  | { readonly type: 'secure.failed'; readonly failure: Failure; readonly atMs: number }

/** Connects, runs TLS as client and says HELLO; the channel is unclaimed until the attempt takes it. */
export type ReachPeerLogic = CallbackActorLogic<
  CandidateEvent,
  Pick<CandidateInput, 'candidate' | 'volley' | 'relay' | 'peerId' | 'role' | 'sessionKey' | 'sessionId' | 'attemptId'> & { readonly timeoutMs: number }
>
