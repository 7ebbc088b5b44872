import type { CallbackActorLogic, PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'

export interface PipeSessionInput {
  /** Of the session in the registry: the same session id may exist once per role and peer. */
  readonly sessionKey: string
  /** For taking a channel into service. */
  readonly moveTimeoutMs: number
}

export interface PipeSessionContext extends PipeSessionInput {
  /** Channel of an OPEN with a later epoch. */
  readonly nextChannelId: string | undefined
  readonly hasPeerEnded: boolean
  readonly failure: Failure | undefined
}

export type PipeSessionEvent =
  | { readonly type: 'peer.ended' }
  | { readonly type: 'session.finished' }
  | { readonly type: 'session.lost'; readonly failure: Failure }
  | { readonly type: 'session.aborted'; readonly by: 'self' | 'peer'; readonly failure: Failure }
  | { readonly type: 'open.received'; readonly channelId: string }

/** How a pipe ended; undefined = cleanly, every byte acknowledged. */
export interface PipeSessionOutput {
  readonly failure: Failure | undefined
}

/** Tells what the byte engine of the session reports. */
export type WatchSessionLogic = CallbackActorLogic<PipeSessionEvent, { readonly sessionKey: string }>

/** Takes a channel into service: sends ACCEPT. */
export type AcceptOpenLogic = PromiseActorLogic<AcceptOutput, { readonly sessionKey: string; readonly channelId: string | undefined }>

export type AcceptOutput = { readonly ok: true } | { readonly ok: false; readonly failure: Failure }
