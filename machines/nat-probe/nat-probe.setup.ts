import { assign, fromPromise, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { classifyInterface } from '../../src/nat/enumeration/classify.js'
import { nextBatch } from '../../src/nat/enumeration/plan.js'
import type { ProbeRound } from '../../src/nat/enumeration/probes.js'
import type { Transport } from '../../src/nat/nat-profile.js'
import type {
  ListServersInput, ListServersOutput, NatProbeContext, NatProbeEvent, NatProbeInput, RunBatchInput, RunBatchOutput,
} from './nat-probe.types.js'

/** The named parts of the natProbe machine: what its states may ask, wait for and do. */
export const natProbeSetup = setup({
  types: {
    context: {} as NatProbeContext,
    events: {} as NatProbeEvent,
    input: {} as NatProbeInput,
    children: {} as { listServers: 'listServers'; tcpBatch: 'runBatch'; udpBatch: 'runBatch' },
  },
  actors: {
    listServers: fromPromise<ListServersOutput, ListServersInput>(() => Promise.reject(new Error('listServers is not provided'))),
    runBatch: fromPromise<RunBatchOutput, RunBatchInput>(() => Promise.reject(new Error('runBatch is not provided'))),
  },
  guards: {
    isListed: (_, output: ListServersOutput) => output.ok,
    isAnswered: (_, output: RunBatchOutput) => output.ok,
    hasNextBatch: ({ context: { local, servers, rounds } }, { transport }: { transport: Transport }) => nextBatch({ transport, local, servers, rounds }) !== undefined,
    /** Some server said how it sees us; whether it is believed is another matter. */
    hasAnswers: ({ context }) => context.rounds.some(({ observations }) => observations.some(one => one.kind === 'mapping' && one.mapped !== undefined)),
  },
  delays: {
    listLimit: ({ context }) => context.policy.listLimitMs,
    batchLimit: ({ context }) => context.policy.batchLimitMs,
    // nodes that started together don't ask together for ever
    refresh: ({ context }) => context.policy.refreshMs * (1 + context.jitter / 2),
    staleWait: ({ context }) => context.waitMs,
  },
  actions: {
    beginAnew: assign({ rounds: [], servers: [], lastFailure: undefined }),
    recordServers: assign((_, { servers, jitter }: Extract<ListServersOutput, { ok: true }>) => ({ servers, jitter })),
    recordRound: assign(({ context }, { round }: { round: ProbeRound }) => ({ rounds: [...context.rounds, round] })),
    recordFailure: assign((_, { failure }: { failure: Failure }) => ({ lastFailure: failure })),
    recordProfile: assign(({ context }) => ({ profile: profileOf(context), rounds: [], isStale: false, failures: 0 })),
    /** What was learnt before is kept, marked, as long as our address is the same. */
    recordSilence: assign(({ context }) => ({
      profile: context.profile?.local === context.local ? context.profile : profileOf(context),
      rounds: [],
      isStale: true,
      failures: context.failures + 1,
      lastFailure: context.lastFailure ?? nobody,
      waitMs: backoffMs(context),
    })),
    recordListFailure: assign((_, { failure, jitter }: { failure: Failure; jitter: number }) => ({ lastFailure: failure, jitter })),
    recordChange: assign(({ context }, { local }: { local: string }) => ({ local, isStale: true, failures: 0, waitMs: context.policy.settleMs })),
  },
})

const profileOf = ({ interfaceName, family, local, rounds }: NatProbeContext) => classifyInterface({ name: interfaceName, family, local, rounds })

const nobody: Failure = { code: 'ERR_STUN_TIMEOUT', message: 'no STUN server answered' }

/** Full jitter under a ceiling that doubles. */
function backoffMs({ policy, failures, jitter }: NatProbeContext): number {
  const ceilingMs = Math.min(policy.retryMaxMs, policy.retryMinMs * 2 ** (failures + 1))
  return policy.retryMinMs + jitter * (ceilingMs - policy.retryMinMs)
}
