import { fromPromise } from 'xstate'
import { ThroughlineError, toFailure } from '../../src/errors/index.js'
import type { Observation } from '../../src/nat/enumeration/probes.js'
import type { Endpoint, Family } from '../../src/protocol/endpoint.js'
import type { ListServersInput, ListServersOutput, RunBatchInput, RunBatchOutput } from './nat-probe.types.js'

/** What the actors of the natProbe machine need from their node. */
export interface NatProbeResources {
  /** Looks up the named servers; IP literals of the family, best first. Rejects when there are none. */
  readonly listServers: (family: Family, signal: AbortSignal) => Promise<readonly Endpoint[]>
  /** Makes the probes of a batch as `ProbeBatch` and `patienceMs` say; one observation for each, in any order. All sockets are gone when it settles, aborted or not. */
  readonly probe: (request: RunBatchInput, signal: AbortSignal) => Promise<readonly Observation[]>
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Actors for `natProbeMachine.provide({ actors })`. */
export function createNatProbeActors({ listServers, probe, random }: NatProbeResources) {
  return {
    listServers: fromPromise<ListServersOutput, ListServersInput>(async ({ input, signal }) => {
      const jitter = random()
      try {
        const servers = await listServers(input.family, signal)
        if (servers.length === 0) throw new ThroughlineError('ERR_DIAL_UNREACHABLE', `no STUN server has an IPv${input.family} address`)
        return { ok: true, servers, jitter }
      } catch (error) {
        return { ok: false, failure: toFailure(error), jitter }
      }
    }),

    runBatch: fromPromise<RunBatchOutput, RunBatchInput>(async ({ input, signal }) => {
      try {
        return { ok: true, round: { batch: input.batch, observations: await probe(input, signal) } }
      } catch (error) {
        return { ok: false, failure: toFailure(error) }
      }
    }),
  }
}
