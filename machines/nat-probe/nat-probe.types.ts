import type { Failure } from '../../src/errors/index.js'
import type { ProbeBatch, ProbeRound } from '../../src/nat/enumeration/probes.js'
import type { InterfaceProfile } from '../../src/nat/nat-profile.js'
import type { Endpoint, Family } from '../../src/protocol/endpoint.js'

/** The numbers of one probing actor, in milliseconds; defaults in `src/config/defaults.ts`. */
export interface NatProbePolicy {
  readonly listLimitMs: number
  /** A batch that has not ended by then is given up; above what the plan gives it. */
  readonly batchLimitMs: number
  /** Least age at which knowledge is renewed; up to half of it more. */
  readonly refreshMs: number
  /** After a change of network, which comes as several events. */
  readonly settleMs: number
  readonly retryMinMs: number
  readonly retryMaxMs: number
}

/** What a probing actor starts from. */
export interface NatProbeInput {
  readonly interfaceName: string
  readonly family: Family
  /** Our address on the interface. */
  readonly local: string
  readonly policy: NatProbePolicy
}

/** What it knows: `profile` and `isStale` are its summary. */
export interface NatProbeContext extends NatProbeInput {
  /** What was learnt last; undefined until the first enumeration ended. */
  readonly profile: InterfaceProfile | undefined
  /** The network changed since, or nobody answered the last time. */
  readonly isStale: boolean
  /** Of the enumeration under way. */
  readonly servers: readonly Endpoint[]
  /** Of the enumeration under way: at most six batches of each transport. */
  readonly rounds: readonly ProbeRound[]
  /** Enumerations without an answer since the last with one. */
  readonly failures: number
  readonly lastFailure: Failure | undefined
  /** Uniform in [0, 1), anew for each enumeration. */
  readonly jitter: number
  /** How long `stale` waits. */
  readonly waitMs: number
}

/** What others may tell it. */
export type NatProbeEvent =
  /** Something of the interface, its routes or its address changed; `local` is the address now. */
  | { readonly type: 'network.changed'; readonly local: string }
  | { readonly type: 'probe.stop' }

/** Which servers to list. */
export interface ListServersInput {
  readonly family: Family
}

/** Addresses of the named servers, best first. `jitter` is uniform in [0, 1): the machine has no randomness of its own. */
export type ListServersOutput =
  | { readonly ok: true; readonly servers: readonly Endpoint[]; readonly jitter: number }
  | { readonly ok: false; readonly failure: Failure; readonly jitter: number }

/** A batch to be probed, and from where. */
export interface RunBatchInput {
  readonly interfaceName: string
  readonly family: Family
  readonly local: string
  readonly batch: ProbeBatch
}

/** The batch with one observation for each of its probes, or why there are none. */
export type RunBatchOutput = { readonly ok: true; readonly round: ProbeRound } | { readonly ok: false; readonly failure: Failure }
