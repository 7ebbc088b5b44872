import type { CallbackActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { Role } from '../../src/protocol/frames.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import type { ConnectionPolicy } from '../shared/policy.types.js'

/** What is dialled, and whom we expect there. */
export interface CandidateInput {
  readonly candidate: Candidate
  readonly peerId: string
  readonly role: Role
  readonly sessionKey: string
  readonly sessionId: string
  readonly attemptId: string
  readonly policy: ConnectionPolicy
}

export interface CandidateContext extends CandidateInput {
  readonly record: CandidateRecord
  readonly socketId: string | undefined
  readonly channelId: string | undefined
}

export type CandidateEvent =
  | { readonly type: 'dial.started'; readonly atMs: number }
  | { readonly type: 'dial.connected'; readonly socketId: string; readonly local: string; readonly atMs: number; readonly rttMs: number }
  | { readonly type: 'dial.failed'; readonly failure: Failure; readonly atMs: number }
  | { readonly type: 'secure.done'; readonly channelId: string; readonly atMs: number }
  | { readonly type: 'secure.failed'; readonly failure: Failure; readonly atMs: number }

/** Opens the TCP connection; the socket is unclaimed until `secureSocket` takes it. */
export type DialCandidateLogic = CallbackActorLogic<CandidateEvent, { readonly candidate: Candidate; readonly peerId: string; readonly role: Role; readonly timeoutMs: number }>

/** Runs TLS as client and says HELLO; the channel is unclaimed until the attempt takes it. */
export type SecureSocketLogic = CallbackActorLogic<
  CandidateEvent,
  { readonly socketId: string | undefined; readonly peerId: string; readonly role: Role; readonly sessionKey: string; readonly sessionId: string; readonly attemptId: string; readonly timeoutMs: number }
>
