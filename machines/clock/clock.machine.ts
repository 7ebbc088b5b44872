import { assign, setup } from 'xstate'
import { defaults } from '../../src/config/defaults.js'
import { toFailure, type Failure } from '../../src/errors/index.js'
import type { ClockEstimate } from '../../src/nat/clock-estimate.js'
import type { TimeServerAnswer } from '../../src/net/sntp-client.js'
import type { ClockContext, ClockEvent, ClockInput, ClockPolicy, RoundOutput, SampleServersLogic, WatchClockLogic } from './clock.types.js'

const { resyncMs, retryMinMs, keepRounds, roundLimitMs } = defaults.clock

/** The numbers of `defaults.clock`. */
export const defaultClockPolicy: ClockPolicy = { resyncMs, retryMinMs, keepRounds, roundLimitMs }

/** Where no actor rolled the dice (a defect, or the machine's own limit): the whole ceiling. */
const longest = 1

const endlessRound: Failure = { code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'the time servers were not asked in time' }
const slept: Failure = { code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'the system was suspended: what was known of the time is void' }

/**
 * Knows how far the node's wall clock is off true time. A root actor per process; the actors come from
 * `createClockActors`. Nothing depends on it: without servers, or with servers that lie, the node goes on and
 * `lastFailure` tells why.
 */
export const clockMachine = setup({
  types: {
    context: {} as ClockContext,
    events: {} as ClockEvent,
    input: {} as ClockInput,
    children: {} as { sampleServers: 'sampleServers'; watchClock: 'watchClock' },
  },
  actors: {} as { sampleServers: SampleServersLogic; watchClock: WatchClockLogic },
  actions: {
    recordRound: assign(({ context }, { answers, outcome, jitter }: RoundOutput) => ({
      ...withAnswers(context, answers),
      ...(outcome.ok ? withEstimate(context, outcome.estimate, jitter) : withFailure(context, outcome.failure, jitter)),
    })),
    recordFailure: assign(({ context }, failure: Failure) => withFailure(context, failure, longest)),
    forgetEstimate: assign({ estimate: undefined }),
    forgetRefusals: assign({ refused: [] }),
    recordSuspension: assign({ estimate: undefined, lastFailure: slept }),
    recordStep: assign(({ context }, { byMs }: { byMs: number }) => ({ steppedMs: context.steppedMs + byMs })),
    recordBlindness: assign((_, { error }: { error: unknown }) => ({ lastFailure: toFailure(error) })),
  },
  guards: {
    isAgreed: (_, { outcome }: RoundOutput) => outcome.ok,
    isEstimateKept: ({ context }) => context.estimate !== undefined && context.failures + 1 < context.policy.keepRounds,
    hasFailed: ({ context }) => context.failures > 0,
  },
  delays: {
    nextRound: ({ context }) => context.waitMs,
    roundLimit: ({ context }) => context.policy.roundLimitMs,
  },
}).createMachine({
  id: 'clock',
  description: 'Knows how far the node’s wall clock is off true time, and how sure that is.',
  context: ({ input: { servers, policy } }) => ({
    servers: [...new Set(servers)].slice(0, defaults.clock.maxServers),
    policy,
    estimate: undefined,
    answers: [],
    refused: [],
    lastFailure: undefined,
    failures: 0,
    waitMs: 0,
    steppedMs: 0,
  }),
  invoke: { id: 'watchClock', src: 'watchClock', onError: { actions: { type: 'recordBlindness', params: ({ event }) => ({ error: event.error }) } } },
  initial: 'sampling',
  on: {
    'clock.stop': '.stopped',
    'clock.stepped': { actions: { type: 'recordStep', params: ({ event }) => ({ byMs: event.byMs }) } },
    'clock.stoodStill': { target: '.sampling', actions: 'recordSuspension' },
    'network.changed': { target: '.sampling', actions: 'forgetRefusals' },
  },
  states: {
    sampling: {
      description: 'Asks every time server; an estimate of an earlier round stays in use.',
      invoke: {
        id: 'sampleServers',
        src: 'sampleServers',
        input: ({ context: { servers, refused } }) => ({ servers: servers.filter(server => !refused.includes(server)), serverCount: servers.length }),
        onDone: [
          {
            guard: { type: 'isAgreed', params: ({ event }) => event.output },
            target: 'synchronised',
            actions: { type: 'recordRound', params: ({ event }) => event.output },
          },
          { guard: 'isEstimateKept', target: 'synchronised', actions: { type: 'recordRound', params: ({ event }) => event.output } },
          { target: 'unsynchronised', actions: { type: 'recordRound', params: ({ event }) => event.output } },
        ],
        onError: { target: 'unsynchronised', actions: { type: 'recordFailure', params: ({ event }) => toFailure(event.error) } },
      },
      after: { roundLimit: { target: 'unsynchronised', actions: { type: 'recordFailure', params: endlessRound } } },
    },
    synchronised: {
      description: 'A majority of the servers agrees on an offset, now or a short while ago; the uncertainty grows with its age.',
      after: { nextRound: 'sampling' },
      on: {
        'network.changed': [{ guard: 'hasFailed', target: 'sampling', actions: 'forgetRefusals' }, { actions: 'forgetRefusals' }],
        // the estimate does not depend on the system's clock; but a paused virtual machine shows nothing else
        'clock.stepped': { target: 'sampling', actions: { type: 'recordStep', params: ({ event }) => ({ byMs: event.byMs }) } },
      },
    },
    unsynchronised: {
      description: 'Nothing can be trusted: too few servers answer, or they contradict each other. Waits longer after each round.',
      entry: 'forgetEstimate',
      after: { nextRound: 'sampling' },
    },
    stopped: {
      description: 'Was told to stop.',
      type: 'final',
    },
  },
})

/** Adds what the servers said; those that were not asked any more keep their last word. */
function withAnswers({ answers, refused }: ClockContext, round: readonly TimeServerAnswer[]): Pick<ClockContext, 'answers' | 'refused'> {
  const refusing = round.filter(answer => !answer.ok && answer.isFinal).map(({ server }) => server)
  return { answers: [...answers.filter(({ server }) => refused.includes(server)), ...round], refused: [...refused, ...refusing] }
}

function withEstimate({ policy }: ClockContext, estimate: ClockEstimate, jitter: number): Partial<ClockContext> {
  return { estimate, failures: 0, lastFailure: undefined, waitMs: (policy.resyncMs * (1 + jitter)) / 2 }
}

/** Full jitter: uniform between the least wait and a ceiling that doubles with each failure. */
function withFailure({ policy, failures }: ClockContext, failure: Failure, jitter: number): Partial<ClockContext> {
  const ceilingMs = Math.min(policy.resyncMs, policy.retryMinMs * 2 ** (failures + 1))
  return { failures: failures + 1, lastFailure: failure, waitMs: policy.retryMinMs + jitter * (ceilingMs - policy.retryMinMs) }
}
