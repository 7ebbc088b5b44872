import { assign, sendTo, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { attemptMachine } from '../attempt/attempt.machine.js'
import type { AttemptOutput } from '../attempt/attempt.types.js'
import { plannedAttempt } from './planned-attempt.js'
import type { PathPlan, PlanPathLogic, SearchContext, SearchEvent, SearchInput } from './search.types.js'

const unplanned: Failure = { code: 'ERR_INTERNAL', message: 'the attempt could not be planned' }
const broke: Failure = { code: 'ERR_INTERNAL', message: 'the attempt broke' }

/** One attempt at another channel for a pipe that is there: to recover it, to better its path, or because it was asked for. */
export const searchMachine = setup({
  types: {
    context: {} as SearchContext & { readonly result: AttemptOutput | undefined },
    events: {} as SearchEvent,
    input: {} as SearchInput,
    output: {} as AttemptOutput,
    children: {} as { plan: 'planPath'; attempt: 'attempt' },
  },
  actors: { attempt: attemptMachine } as { attempt: typeof attemptMachine; planPath: PlanPathLogic },
  guards: { isInitiator: ({ context }) => context.attempt.role === 'initiator' },
  delays: { planTimeout: ({ context }) => context.attempt.policy.attempt.acceptTimeoutMs },
  actions: {
    notePlan: assign((_, { planned }: { planned: PathPlan }) => ({ planned })),
    noteResult: assign((_, { result }: { result: AttemptOutput }) => ({ result })),
    passOn: sendTo('attempt', ({ event }) => event),
  },
}).createMachine({
  id: 'search',
  description: 'One attempt at another channel for a pipe that is there.',
  context: ({ input }) => ({ ...input, planned: undefined, failure: undefined, result: undefined }),
  output: ({ context }) => context.result ?? { ok: false, failure: broke },
  initial: 'choosing',
  states: {
    choosing: {
      description: 'A responder answers an offer; an initiator makes an attempt of its own.',
      always: [{ guard: 'isInitiator', target: 'planning' }, { target: 'attempting' }],
    },
    planning: {
      description: 'The attempt gets its id, and what is known of the peer by now.',
      invoke: {
        id: 'plan',
        src: 'planPath',
        input: ({ context }) => ({ sessionKey: context.attempt.sessionKey, target: context.target }),
        onDone: { target: 'attempting', actions: { type: 'notePlan', params: ({ event }) => ({ planned: event.output }) } },
        onError: { target: 'failed', actions: { type: 'noteResult', params: { result: { ok: false, failure: unplanned } } } },
      },
      after: { planTimeout: { target: 'failed', actions: { type: 'noteResult', params: { result: { ok: false, failure: unplanned } } } } },
    },
    attempting: {
      description: 'Strategies look for a channel, and the initiator opens it for the session.',
      invoke: {
        id: 'attempt',
        src: 'attempt',
        input: ({ context }) => plannedAttempt(context),
        onDone: { target: 'ended', actions: { type: 'noteResult', params: ({ event }) => ({ result: event.output }) } },
        onError: { target: 'failed', actions: { type: 'noteResult', params: { result: { ok: false, failure: broke } } } },
      },
      on: { 'channel.arrived': { actions: 'passOn' }, 'offer.repeated': { actions: 'passOn' } },
    },
    ended: { type: 'final', description: 'The output tells what the attempt came to.' },
    failed: { type: 'final', description: 'There was no attempt, or it broke.' },
  },
})
