import type { Failure } from '../../src/errors/index.js'

/** The numbers of one signalling actor; defaults in `src/config/defaults.ts`. */
export interface SignallingPolicy {
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  /** A connect that has not answered by then is given up; above the time-out the connect actor has itself. */
  readonly connectLimitMs: number
}

/** What a signalling actor starts from. */
export interface SignallingInput {
  /** The broker's URL without credentials. */
  readonly brokerId: string
  readonly policy: SignallingPolicy
}

/** What it knows; sockets are ids of the resource table. */
export interface SignallingContext extends SignallingInput {
  /** The link, while online. */
  readonly linkId: string | undefined
  readonly version: 4 | 5 | undefined
  /** CONNECT to CONNACK of the current link; later ones are asked of the link. */
  readonly rttMs: number | undefined
  /** Failures since the last time it was online. */
  readonly attempts: number
  readonly lastFailure: Failure | undefined
  /** How long `backingOff` waits. */
  readonly waitMs: number
  /** Upper bound of the waits until the next time it is online; set by `broker.hurry`. */
  readonly capMs: number | undefined
}

/** What others may tell it. */
export type SignallingEvent =
  /** The network changed: what was learnt about this broker is void, connect afresh now. */
  | { readonly type: 'broker.retry' }
  /** A pipe waits for signalling: wait at most `capMs` until online. */
  | { readonly type: 'broker.hurry'; readonly capMs: number }
  | { readonly type: 'broker.stop' }

/** Outcome of a connect. `jitter` is uniform in [0, 1): the machine has no randomness of its own. */
export type ConnectLinkOutput =
  | { readonly ok: true; readonly linkId: string; readonly version: 4 | 5; readonly rttMs: number }
  | { readonly ok: false; readonly failure: Failure; readonly jitter: number }

/** Why an open link ended. */
export interface WatchLinkOutput {
  readonly failure: Failure
  readonly jitter: number
}

/** Which broker to connect. */
export interface ConnectLinkInput {
  readonly brokerId: string
}

/** Which link to watch; the watcher closes it when its state is left. */
export interface WatchLinkInput {
  readonly linkId: string
}
