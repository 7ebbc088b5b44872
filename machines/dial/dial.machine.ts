import { and, assign, enqueueActions, sendParent, setup } from 'xstate'
import { candidateMachine } from '../candidate/candidate.machine.js'
import type { Role } from '../../src/protocol/frames.js'
import type { CandidateRecord } from '../shared/candidate.types.js'
import type { StrategyInput, StrategyOutput } from '../shared/strategy.types.js'
import type { Strategy } from '../strategies.js'
import type { DialContext, DialEvent, Plan, PlanCandidatesLogic } from './dial.types.js'

/**
 * A strategy in which one side dials the other's listening endpoints: `direct` where the initiator dials, `reverse`
 * where the responder does. The dialling side races candidates, staggered (RFC 8305); the other side waits for them.
 */
export function createDialMachine(strategy: Strategy, diallingRole: Role) {
  return setup({
    types: {
      context: {} as DialContext,
      events: {} as DialEvent,
      input: {} as StrategyInput,
      output: {} as StrategyOutput,
    },
    actors: { candidate: candidateMachine } as { planCandidates: PlanCandidatesLogic; candidate: typeof candidateMachine },
    guards: {
      isDialling: ({ context }) => context.role === diallingRole,
      isResponder: ({ context }) => context.role === 'responder',
      isWaitingForAnswer: ({ context }) => context.awaitsAnswer,
      isHeld: ({ context }) => context.isHeld,
      hasNews: ({ context }) => context.hasNews,
      hasQueue: ({ context }) => context.queue.length > 0,
      isIdle: ({ context }) => context.queue.length === 0 && context.live.length === 0,
    },
    delays: {
      stagger: ({ context }) => context.policy.dial.staggerMs,
      answerTimeout: ({ context }) => context.policy.attempt.timeoutMs,
      inboundTimeout: ({ context }) => context.policy.attempt.inboundTimeoutMs,
      planTimeout: ({ context }) => context.policy.attempt.ackTimeoutMs,
      electionTimeout: ({ context }) => context.policy.attempt.timeoutMs,
    },
    actions: {
      noteAnswer: assign(({ context, event }) =>
        event.type === 'peer.answered' ? { endpoints: event.endpoints, awaitsAnswer: false, hasNews: true } : { awaitsAnswer: context.awaitsAnswer }),
      noteSilence: assign({ awaitsAnswer: false }),
      noteElection: assign({ isHeld: true }),
      noteElectionOver: assign({ isHeld: false }),
      notePlan: assign(({ context }, { plan }: { plan: Plan }) => ({
        queue: [...context.queue, ...plan.candidates],
        planned: [...context.planned, ...plan.keys],
        hasNews: false,
      })),
      noteNoPlan: assign({ hasNews: false }),
      tellSkipped: enqueueActions(({ enqueue }, { skipped }: { skipped: readonly CandidateRecord[] }) => {
        for (const candidate of skipped) enqueue(sendParent({ type: 'candidate.changed', candidate }))
      }),
      startNext: enqueueActions(({ context, enqueue }) => {
        const [candidate, ...queue] = context.queue
        if (candidate === undefined) return
        const { peerId, role, sessionKey, sessionId, attemptId, policy } = context
        enqueue.spawnChild('candidate', { id: candidate.id, input: { candidate, peerId, role, sessionKey, sessionId, attemptId, policy } })
        enqueue.assign({ queue, live: [...context.live, candidate.id] })
      }),
      noteEnd: assign({
        live: ({ context, event }) => {
          const ended = 'candidate' in event ? event.candidate.id : 'actorId' in event ? event.actorId : undefined
          return context.live.filter(id => id !== ended)
        },
      }),
      passOn: sendParent(({ event }) => event),
      handOver: sendParent(({ event }) => ({ ...event, type: 'channel.secured' })),
      tellExhausted: sendParent({ type: 'strategy.exhausted', strategy }),
    },
  }).createMachine({
    id: strategy,
    description: `Races the listening endpoints of the ${diallingRole === 'initiator' ? 'responder' : 'initiator'}; the ${diallingRole} dials.`,
    context: ({ input }) => ({
      ...input, queue: [], planned: [], live: [], hasNews: (input.endpoints?.interfaces.length ?? 0) > 0, isHeld: false,
    }),
    output: { strategy },
    initial: 'choosing',
    on: {
      'candidate.changed': { actions: 'passOn' },
      'candidate.secured': { actions: ['noteEnd', 'handOver'] },
      'candidate.failed': { actions: 'noteEnd' },
      'xstate.error.actor.*': { actions: 'noteEnd' },
      'signalling.ended': { actions: 'noteSilence' },
      'peer.answered': { actions: 'noteAnswer' },
      'election.started': { actions: 'noteElection' },
      'election.failed': { actions: 'noteElectionOver' },
    },
    states: {
      choosing: {
        description: 'Decides by role whether to dial, to wait, or that nobody will ever dial us.',
        always: [
          { guard: 'isDialling', target: 'seeking' },
          { guard: 'isResponder', target: 'awaitingInbound' },
          { guard: 'isWaitingForAnswer', target: 'awaitingAnswer' },
          { target: 'exhausted' },
        ],
      },
      seeking: {
        description: 'Decides what is next: hold, plan new endpoints, or dial.',
        always: [
          { guard: 'isHeld', target: 'holding' },
          { guard: 'hasNews', target: 'planning' },
          { target: 'racing' },
        ],
      },
      awaitingEndpoints: {
        description: 'Nothing left to dial; the answer may bring more endpoints.',
        on: {
          'peer.answered': { target: 'seeking', actions: 'noteAnswer' },
          'signalling.ended': { target: 'exhausted', actions: 'noteSilence' },
        },
        after: { answerTimeout: 'exhausted' },
      },
      planning: {
        description: 'Pairs the peer’s endpoints with our interfaces, under the safety rules.',
        invoke: {
          id: 'plan',
          src: 'planCandidates',
          input: ({ context: { role, peerId, endpoints, planned } }) => ({ strategy, role, peerId, endpoints, planned }),
          onDone: {
            target: 'seeking',
            actions: [
              { type: 'notePlan', params: ({ event }) => ({ plan: event.output }) },
              { type: 'tellSkipped', params: ({ event }) => ({ skipped: event.output.skipped }) },
            ],
          },
          onError: { target: 'seeking', actions: 'noteNoPlan' },
        },
        on: { 'peer.answered': { target: 'planning', reenter: true, actions: 'noteAnswer' } },
        after: { planTimeout: { target: 'seeking', actions: 'noteNoPlan' } },
      },
      racing: {
        description: 'Candidates are under way; the next starts after the stagger, or at once when one fails.',
        entry: 'startNext',
        always: [
          { guard: and(['isIdle', 'isWaitingForAnswer']), target: 'awaitingEndpoints' },
          { guard: 'isIdle', target: 'exhausted' },
        ],
        on: {
          'candidate.failed': { target: 'racing', reenter: true, actions: 'noteEnd' },
          'xstate.error.actor.*': { target: 'racing', reenter: true, actions: 'noteEnd' },
          'peer.answered': { target: 'seeking', actions: 'noteAnswer' },
          'election.started': { target: 'holding', actions: 'noteElection' },
        },
        after: { stagger: { guard: 'hasQueue', target: 'racing', reenter: true } },
      },
      holding: {
        description: 'A channel is being opened: what runs goes on, nothing new starts.',
        on: { 'election.failed': { target: 'seeking', actions: 'noteElectionOver' } },
        after: { electionTimeout: { target: 'seeking', actions: 'noteElectionOver' } },
      },
      awaitingAnswer: {
        description: 'The other side dials; it has to answer the offer first.',
        on: {
          'peer.answered': { target: 'awaitingInbound', actions: 'noteAnswer' },
          'signalling.ended': 'exhausted',
        },
        after: { answerTimeout: 'exhausted' },
      },
      awaitingInbound: {
        description: 'The other side dials us now; its channel arrives through the listener.',
        after: { inboundTimeout: 'exhausted' },
      },
      exhausted: { type: 'final', description: 'Nothing is left to try.', entry: 'tellExhausted' },
    },
  })
}
