import type { CallbackActorLogic, PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { ClockEstimate, EstimateOutcome } from '../../src/nat/clock-estimate.js'
import type { ClockDisturbance } from '../../src/nat/clock-watch.js'
import type { TimeServerAnswer } from '../../src/net/sntp-client.js'

/** The numbers of the clock; defaults in `src/config/defaults.ts`. */
export interface ClockPolicy {
  /** Longest wait between rounds, the least is half of it. */
  readonly resyncMs: number
  /** Least wait after a round without result. */
  readonly retryMinMs: number
  /** So many rounds without result, one after the other, end the trust in an estimate. */
  readonly keepRounds: number
  /** A round that has not ended by then is given up; above the limits its actor has itself. */
  readonly roundLimitMs: number
}

/** What the clock starts from. */
export interface ClockInput {
  /** `HOST` or `HOST:PORT`; repeated ones, and those above `defaults.clock.maxServers`, are left out. */
  readonly servers: readonly string[]
  readonly policy: ClockPolicy
}

/** What it knows. */
export interface ClockContext extends ClockInput {
  /** What to add to the node's wall clock; undefined while nothing can be trusted. Read it with `clockOffsetAt`. */
  readonly estimate: ClockEstimate | undefined
  /** What each server said in the last round; at most one of each. */
  readonly answers: readonly TimeServerAnswer[]
  /** Servers that want never to be asked again; forgotten when the network changes. */
  readonly refused: readonly string[]
  /** Why the last round had no result, or why an estimate was given up. */
  readonly lastFailure: Failure | undefined
  /** Rounds without result since the last one with. */
  readonly failures: number
  /** How long the state it is in waits for the next round. */
  readonly waitMs: number
  /** By how much the system's wall clock was set since the start, all steps together. The node's does not follow. */
  readonly steppedMs: number
}

/** What may happen to it. */
export type ClockEvent =
  /** Other servers may answer now, or the same again. */
  | { readonly type: 'network.changed' }
  | { readonly type: 'clock.stop' }
  | ClockDisturbance

/** A round with the servers. `jitter` is uniform in [0, 1): the machine has neither time nor chance of its own. */
export interface RoundOutput {
  /** One of each server that was asked. */
  readonly answers: readonly TimeServerAnswer[]
  readonly outcome: EstimateOutcome
  readonly jitter: number
}

/** Whom to ask now. */
export interface RoundInput {
  readonly servers: readonly string[]
  /** Those left out included. */
  readonly serverCount: number
}

/** Asks each server at once, and finds out what a majority agrees on. */
export type SampleServersLogic = PromiseActorLogic<RoundOutput, RoundInput>

/** Compares the clocks of the system now and then. */
export type WatchClockLogic = CallbackActorLogic<ClockEvent>
