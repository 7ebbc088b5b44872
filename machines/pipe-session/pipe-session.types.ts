import type { CallbackActorLogic, PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { SessionEvent } from '../../src/streams/session/types.js'

export interface PipeSessionInput {
  /** Of the session in the registry: the same session id may exist once per role and peer. */
  readonly sessionKey: string
  /** For taking a channel into service. */
  readonly moveTimeoutMs: number
  /** How long it may be without a channel, */
  readonly suspendMs: number
  /** and how long at most when the other end has closed the last one. */
  readonly closedMs: number
}

export interface PipeSessionContext extends PipeSessionInput {
  /** Channel of an OPEN with a later epoch. */
  readonly nextChannelId: string | undefined
  readonly hasPeerEnded: boolean
  /** Whether there is a path, and one that answers. */
  readonly path: 'open' | 'suspected' | 'lost'
  /** Why the latest path was lost. */
  readonly loss: Failure | undefined
  readonly isClosedByPeer: boolean
  readonly failure: Failure | undefined
}

export type PipeSessionEvent =
  | SessionEvent
  | { readonly type: 'open.received'; readonly channelId: string }
  /** No path will be found any more. */
  | { readonly type: 'session.giveUp'; readonly failure: Failure }

/** What the pipe session tells its connection: what has become of the path. */
export type PathEvent = Extract<SessionEvent, { readonly type: 'session.suspected' | 'session.trusted' | 'session.suspended' | 'session.moved' | 'path.wanted' }>

/** How a pipe ended; undefined = cleanly, every byte acknowledged. */
export interface PipeSessionOutput {
  readonly failure: Failure | undefined
}

/** Tells what the byte engine of the session reports. */
export type WatchSessionLogic = CallbackActorLogic<PipeSessionEvent, { readonly sessionKey: string }>

/** Takes a channel into service: sends ACCEPT. */
export type AcceptOpenLogic = PromiseActorLogic<AcceptOutput, { readonly sessionKey: string; readonly channelId: string | undefined }>

export type AcceptOutput = { readonly ok: true } | { readonly ok: false; readonly failure: Failure }
