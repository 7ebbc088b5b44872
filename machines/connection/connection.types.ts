import type { CallbackActorLogic, PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { CandidateRecord } from '../shared/candidate.types.js'
import type { AttemptEvent, AttemptInput, AttemptReason, PeerTarget } from '../attempt/attempt.types.js'
import type { AcceptOpenLogic, PathEvent, PipeSessionEvent, PipeSessionOutput } from '../pipe-session/pipe-session.types.js'
import type { Strategy } from '../strategies.js'

/** An offer as the responder got it. */
export interface ReceivedOffer {
  readonly offerId: string
  readonly attemptId: string
  readonly strategies: readonly Strategy[]
  readonly target: PeerTarget
}

/** What a connection starts from: a dial, an offer, or an OPEN. */
export interface ConnectionInput {
  readonly role: 'initiator' | 'responder'
  /** Of the session in the registry. */
  readonly sessionKey: string
  /** Undefined until an initiator has read the address. */
  readonly peerId: string | undefined
  readonly protocol: string
  /** Responder: what the peer may use, where nobody has to be asked. */
  readonly allowed?: readonly Strategy[] | undefined
  readonly attempt: AttemptInput
  readonly offer?: ReceivedOffer
  /** The channel of an OPEN that came before any offer. */
  readonly channelId?: string
  /** That OPEN was accepted already, for nobody had to be asked. */
  readonly isAccepted?: boolean
}

/** Why and by what another channel is looked for. */
export interface PathRequest {
  readonly reason: AttemptReason
  /** Initiator; a responder takes those of the offer. */
  readonly strategies: readonly Strategy[]
  /** Who asked, where the application did. */
  readonly requestId?: string
}

export interface ConnectionContext extends ConnectionInput {
  readonly pendingChannelId: string | undefined
  /** What the peer may use; empty until it was authorised. */
  readonly allowed: readonly Strategy[]
  /** Initiator: by what the pipe goes now. */
  readonly elected: CandidateRecord | undefined
  /** Initiator: the peer, as the latest attempt knew it. */
  readonly target: PeerTarget | undefined
  readonly isOpen: boolean
  /** What is searched for now, or was. */
  readonly request: PathRequest
  /** Searches in a row that led nowhere. */
  readonly searches: number
  /** The application has chosen the path: it is not bettered unasked. */
  readonly isPinned: boolean
  readonly failure: Failure | undefined
}

export type ConnectionEvent =
  | { readonly type: 'open.received'; readonly channelId: string }
  | { readonly type: 'offer.received'; readonly offer: ReceivedOffer }
  | { readonly type: 'channel.arrived'; readonly channelId: string; readonly candidate: CandidateRecord }
  | { readonly type: 'peer.cancelled'; readonly failure: Failure }
  | { readonly type: 'connection.cancel'; readonly failure: Failure }
  /** The application asks for another path. */
  | { readonly type: 'path.requested'; readonly strategies: readonly Strategy[]; readonly requestId: string }
  /** Addresses of this machine came or went. */
  | { readonly type: 'network.changed' }
  | PathEvent
  | PipeSessionEnded

/** Of the child that is spawned, for it outlives states. */
export interface PipeSessionEnded {
  readonly type: 'xstate.done.actor.pipeSession'
  readonly output: PipeSessionOutput
}

/** What the connection emits: what a search came to. */
export interface SearchEnded {
  readonly type: 'search.ended'
  readonly requestId: string | undefined
  readonly failure: Failure | undefined
}

/** What a connection hands on to its attempt. */
export type ForAttempt = Extract<AttemptEvent, { readonly type: 'channel.arrived' | 'offer.repeated' }>

/** What a connection hands on to its pipe session. */
export type ForPipeSession = Extract<PipeSessionEvent, { readonly type: 'open.received' | 'session.giveUp' }>

export interface ConnectionOutput {
  readonly failure: Failure | undefined
}

export type AuthorizeOutput = { readonly ok: true; readonly strategies: readonly Strategy[] } | { readonly ok: false; readonly failure: Failure }

/** Asks the allow list and the application, once per session. */
export type AuthorizeLogic = PromiseActorLogic<
  AuthorizeOutput,
  { readonly peerId: string; readonly protocol: string; readonly strategies: readonly Strategy[] }
>

/** Sends PENDING on the channel of an OPEN. */
export type TellPendingLogic = CallbackActorLogic<ConnectionEvent, { readonly sessionKey: string; readonly channelId: string | undefined }>

/** Sends REFUSE on the channel of an OPEN, or a sealed refusal to the offer. */
export type RefuseLogic = PromiseActorLogic<
  void,
  { readonly sessionKey: string; readonly channelId: string | undefined; readonly offerId: string | undefined; readonly failure: Failure | undefined }
>

/** As long as it runs, brokers are looked after closely. */
export type QuickenLogic = CallbackActorLogic<ConnectionEvent>

/** Responder: as long as it runs, the initiator is asked for a path, by its inbox. */
export type AskForPathLogic = CallbackActorLogic<ConnectionEvent, { readonly sessionKey: string }>


export type { AcceptOpenLogic }
