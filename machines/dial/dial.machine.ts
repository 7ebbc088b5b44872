import { and, assign, enqueueActions, sendParent, setup } from 'xstate'
import { candidateMachine } from '../candidate/candidate.machine.js'
import type { Role } from '../../src/protocol/frames.js'
import type { Strategy } from '../strategies.js'
import type { StrategyInput, StrategyOutput } from '../shared/strategy.types.js'
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
      isWaitingForAnswer: ({ context }) => context.awaitsAnswer,
      hasEndpoints: ({ context }) => (context.endpoints?.interfaces.length ?? 0) > 0,
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
        event.type === 'peer.answered' ? { endpoints: event.endpoints, awaitsAnswer: false } : { awaitsAnswer: context.awaitsAnswer }),
      noteSilence: assign({ awaitsAnswer: false }),
      notePlan: assign(({ context }, { plan }: { plan: Plan }) => ({
        queue: [...context.queue, ...plan.candidates],
        planned: [...context.planned, ...plan.keys],
      })),
      tellSkipped: enqueueActions(({ enqueue }, { skipped }: { skipped: readonly unknown[] }) => {
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
        live: ({ context, event }) => ('candidate' in event ? context.live.filter(id => id !== event.candidate.id) : context.live),
      }),
      passOn: sendParent(({ event }) => event),
      handOver: sendParent(({ event }) => ({ ...event, type: 'channel.secured' })),
      tellExhausted: sendParent({ type: 'strategy.exhausted', strategy }),
    },
  }).createMachine({
    id: strategy,
    description: `Races the listening endpoints of the ${diallingRole === 'initiator' ? 'responder' : 'initiator'}; the ${diallingRole} dials.`,
    context: ({ input }) => ({ ...input, queue: [], planned: [], live: [] }),
    output: { strategy },
    initial: 'choosing',
    on: {
      'candidate.changed': { actions: 'passOn' },
      'candidate.secured': { actions: ['noteEnd', 'handOver'] },
      'candidate.failed': { actions: 'noteEnd' },
      'signalling.ended': { actions: 'noteSilence' },
      'peer.answered': { actions: 'noteAnswer' },
    },
    states: {
      choosing: {
        description: 'Decides by role whether to dial or to wait.',
        always: [
          { guard: 'isDialling', target: 'seeking' },
          { guard: 'isWaitingForAnswer', target: 'awaitingAnswer' },
          { target: 'awaitingInbound' },
        ],
      },
      seeking: {
        description: 'Looks whether endpoints are known, may still come, or never will.',
        always: [
          { guard: 'hasEndpoints', target: 'planning' },
          { guard: 'isWaitingForAnswer', target: 'awaitingEndpoints' },
          { target: 'exhausted' },
        ],
      },
      awaitingEndpoints: {
        description: 'Nothing left to dial; the answer may bring more endpoints.',
        on: {
          'peer.answered': { target: 'planning', actions: 'noteAnswer' },
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
            target: 'racing',
            actions: [
              { type: 'notePlan', params: ({ event }) => ({ plan: event.output }) },
              { type: 'tellSkipped', params: ({ event }) => ({ skipped: event.output.skipped }) },
            ],
          },
          onError: 'racing',
        },
        on: { 'peer.answered': { target: 'planning', reenter: true, actions: 'noteAnswer' } },
        after: { planTimeout: 'racing' },
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
          'peer.answered': { target: 'planning', actions: 'noteAnswer' },
          'election.started': 'holding',
        },
        after: { stagger: { guard: 'hasQueue', target: 'racing', reenter: true } },
      },
      holding: {
        description: 'A channel is being opened: what runs goes on, nothing new starts.',
        on: { 'election.failed': 'seeking' },
        after: { electionTimeout: 'seeking' },
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
