import type { CallbackActorLogic, ErrorActorEvent, PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'

export interface NodeInput {
  /** A lock and a port take milliseconds; a file system that hangs is not waited for. */
  readonly openTimeoutMs: number
  readonly startupWaitMs: number
  readonly closeTimeoutMs: number
}

export interface NodeContext extends NodeInput {
  readonly listenPort: number | undefined
  readonly hasBroker: boolean
  readonly failure: Failure | undefined
}

export type NodeEvent =
  | { readonly type: 'broker.up' }
  | { readonly type: 'broker.down' }
  | { readonly type: 'node.close' }
  /** An actor broke. */
  | ErrorActorEvent

export type OpenOutput = { readonly ok: true; readonly listenPort: number } | { readonly ok: false; readonly failure: Failure }

/** Takes the inbound lock and opens the listening port. */
export type OpenPortLogic = PromiseActorLogic<OpenOutput>

/** Connects the homes and tells when the first is up and the last is down. */
export type ServeBrokersLogic = CallbackActorLogic<NodeEvent>

/** Ends pipes, attempts, brokers and the port, in this order. */
export type CloseAllLogic = PromiseActorLogic<void>
