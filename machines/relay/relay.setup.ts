import { and, assign, enqueueActions, not, sendParent, sendTo, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { candidateMachine } from '../candidate/candidate.machine.js'
import type { StrategyInput, StrategyOutput } from '../shared/strategy.types.js'
import type { PlanWaysLogic, RelayContext, RelayEvent, RelaysLogic, Ways } from './relay.types.js'

const silence: Failure = { code: 'ERR_RELAY_TIMEOUT', message: 'no TURN server answered in time' }
const isIdle = ({ live, isHeld, hasHandedOver }: RelayContext): boolean => Object.keys(live).length === 0 && !isHeld && !hasHandedOver

/** The named parts of the relay: what its states may ask, wait for and do. The states are in relay.machine.ts. */
export const relaySetup = setup({
  types: {
    context: {} as RelayContext,
    events: {} as RelayEvent,
    input: {} as StrategyInput,
    output: {} as StrategyOutput,
    children: {} as { relays: 'relays'; plan: 'planWays' },
  },
  actors: { candidate: candidateMachine } as { relays: RelaysLogic; planWays: PlanWaysLogic; candidate: typeof candidateMachine },
  guards: {
    isInitiator: ({ context }) => context.role === 'initiator',
    isTold: ({ context }) => context.role === 'responder' && (context.peer?.relay.length ?? 0) > 0,
    /** What the peer offered leads nowhere. */
    needsOwn: ({ context }) => context.hasPlanned && isIdle(context),
    isAnswered: ({ context }) => !context.isAllocating,
    hasNews: ({ context }) => context.hasNews && !context.isHeld,
    /** Nothing is under way, and nothing of ours will come. */
    isIdle: ({ context }) => isIdle(context) && context.hasAsked && !context.isAllocating,
    mayHearMore: ({ context }) => context.own.length === 0 && (context.peer?.relay.length ?? 0) === 0 && context.takesPart,
  },
  delays: {
    allocateTimeout: ({ context }) => context.policy.relay.allocateMs,
    patience: ({ context }) => context.policy.relay.patienceMs,
    answerTimeout: ({ context: { policy } }) => policy.attempt.ackTimeoutMs + policy.attempt.answerTimeoutMs,
    updateTimeout: ({ context }) => context.policy.relay.updateMs,
    planTimeout: ({ context }) => context.policy.attempt.ackTimeoutMs,
    relayTimeout: ({ context }) => context.policy.relay.timeoutMs,
  },
  actions: {
    // relays of ours
    allocate: enqueueActions(({ context, enqueue }) => {
      enqueue.assign({ hasAsked: true, isAllocating: true })
      enqueue.sendTo('relays', { type: 'relay.allocate', peer: context.peer })
    }),
    noteRelay: assign(({ context, event }) => (event.type === 'relay.allocated' ? { own: [...context.own, event.relay], isAllocating: false, hasNews: true } : {})),
    noteNoRelay: assign(({ event }) => ({ isAllocating: false, ...(event.type === 'relay.unavailable' && { failure: event.failure }) })),
    noteSilence: assign({ isAllocating: false, failure: silence }),
    noteLost: assign(({ context, event }) =>
      event.type === 'relay.lost' ? { own: context.own.filter(({ allocationId }) => allocationId !== event.allocationId), failure: event.failure } : {}),
    tellRelays: sendParent(({ context: { own, failure } }) => ({
      type: 'relay.gathered', records: own.map(({ record }) => record), ...(own.length === 0 && failure !== undefined && { failure }),
    })),
    permit: enqueueActions(({ context: { peer, own }, enqueue }) => {
      if (peer !== undefined && own.length > 0) enqueue(sendTo('relays', { type: 'relay.permit', peer }))
    }),

    // what the peer says
    noteAnswer: assign(({ event }) =>
      event.type === 'peer.answered' ? { peer: event.endpoints, hasNews: true, takesPart: event.strategies?.includes('relay') ?? true } : {}),
    noteUpdate: assign(({ context, event }) =>
      event.type === 'peer.updated' && context.peer !== undefined ? { peer: { ...context.peer, punch: event.punch, relay: event.relay }, hasNews: true } : {}),

    // candidates
    noteNews: assign({ hasNews: true }),
    notePlanning: assign({ hasNews: false }),
    noteNoPlan: assign({ hasPlanned: true }),
    start: enqueueActions(({ context, enqueue }, { ways }: { ways: Ways }) => {
      const { peerId, role, sessionKey, sessionId, attemptId, policy } = context
      for (const candidate of ways.skipped) enqueue(sendParent({ type: 'candidate.changed', candidate }))
      for (const { candidate, relay } of ways.candidates) {
        enqueue.spawnChild('candidate', { id: candidate.id, input: { candidate, relay, peerId, role, sessionKey, sessionId, attemptId, policy } })
      }
      const started = Object.fromEntries(ways.candidates.map(({ candidate, key }) => [candidate.id, key]))
      enqueue.assign({ hasPlanned: true, planned: [...context.planned, ...ways.keys], live: { ...context.live, ...started } })
    }),
    noteEnd: assign(({ context, event }) => {
      const ended = 'candidate' in event ? event.candidate.id : 'actorId' in event ? event.actorId : undefined
      const { [ended ?? '']: key, ...live } = context.live
      if (key === undefined) return {}
      // a dial that came to nothing leaves it to our own relay
      return event.type === 'candidate.secured' ? { live, hasHandedOver: true } : { live, failed: [...context.failed, key], hasNews: context.hasNews || context.own.length > 0 }
    }),
    noteElection: assign({ isHeld: true }),
    noteElectionOver: assign({ isHeld: false, hasHandedOver: false }),
    passOn: sendParent(({ event }) => event),
    handOver: sendParent(({ event }) => ({ ...event, type: 'channel.secured' })),
    tellExhausted: sendParent({ type: 'strategy.exhausted', strategy: 'relay' }),
  },
})

/** Nothing is under way and nothing can come any more. */
export const isSpent = and(['isIdle', not('mayHearMore')])
