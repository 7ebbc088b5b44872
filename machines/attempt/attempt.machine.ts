import { and, assign, enqueueActions, not, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { directMachine } from '../direct/direct.machine.js'
import { reverseMachine } from '../reverse/reverse.machine.js'
import { strategyOrder, type Strategy } from '../strategies.js'
import type { StrategyEvent } from '../shared/strategy.types.js'
import { isDirectComingUp, markCandidate, settleCandidates } from './candidates.js'
import type {
  AnswerLogic, AttemptContext, AttemptEvent, AttemptInput, AttemptOutput, ExchangeLogic, OpenChannelLogic, ResolveOutput, ResolvePeerLogic,
} from './attempt.types.js'
import { failureOf } from './failure.js'

/** The strategies of the current round: all at once in a race, one after the other in a sequence. */
const roundsOf = ({ strategies, mode, role }: AttemptInput): readonly (readonly Strategy[])[] => {
  const ordered = strategies.length > 0 ? strategies : strategyOrder
  return mode === 'race' || role === 'responder' ? [ordered] : ordered.map(strategy => [strategy])
}

const strategiesOf = (context: AttemptContext): readonly Strategy[] => roundsOf(context)[context.round] ?? []

/** One try to get an opened channel to a peer: signalling in parallel with the strategies; the initiator elects. */
export const attemptMachine = setup({
  types: {
    context: {} as AttemptContext,
    events: {} as AttemptEvent,
    input: {} as AttemptInput,
    output: {} as AttemptOutput,
  },
  actors: { direct: directMachine, reverse: reverseMachine } as {
    resolvePeer: ResolvePeerLogic
    exchange: ExchangeLogic
    answer: AnswerLogic
    openChannel: OpenChannelLogic
    direct: typeof directMachine
    reverse: typeof reverseMachine
  },
  guards: {
    isInitiator: ({ context }) => context.role === 'initiator',
    isResolved: (_, { output }: { output: ResolveOutput }) => output.ok,
    hasBrokers: ({ context }) => (context.known?.brokers.length ?? 0) > 0,
    isDirectComingUp: ({ context }) => isDirectComingUp(context.candidates),
    hasReadyChannel: ({ context }) => context.ready.length > 0,
    isExhausted: ({ context }) => context.running.length === 0 && context.ready.length === 0 && context.electing === undefined,
    hasRoundLeft: ({ context }) => context.round + 1 < roundsOf(context).length,
  },
  delays: {
    attemptTimeout: ({ context }) => context.timeoutMs,
    offerGrace: ({ context }) => (context.known?.endpoints === undefined ? 0 : context.policy.attempt.offerGraceMs),
    offerHold: ({ context }) => context.policy.attempt.offerHoldMs,
    ackTimeout: ({ context }) => context.policy.attempt.ackTimeoutMs,
    answerTimeout: ({ context }) => context.policy.attempt.answerTimeoutMs,
    acceptTimeout: ({ context }) => {
      const { acceptTimeoutMs, acceptRttFactor } = context.policy.attempt
      const rttMs = context.electing === undefined ? 0 : (context.candidates[context.electing.candidateId]?.rttMs ?? 0)
      return Math.max(acceptTimeoutMs, acceptRttFactor * rttMs)
    },
    pendingTimeout: ({ context }) => context.policy.attempt.pendingTimeoutMs,
  },
  actions: {
    noteTarget: assign((_, { output }: { output: ResolveOutput }) => (output.ok ? { known: output.target } : { failure: output.failure })),
    startStrategies: enqueueActions(({ context, enqueue }) => {
      const { role, sessionKey, sessionId, attemptId, known, policy } = context
      const strategies = strategiesOf(context)
      const awaitsAnswer = role === 'initiator' && (known?.brokers.length ?? 0) > 0
      for (const strategy of strategies) {
        const input = { strategy, role, peerId: known?.peerId ?? '', sessionKey, sessionId, attemptId, endpoints: known?.endpoints, awaitsAnswer, policy }
        enqueue.spawnChild(strategy, { id: strategy, input })
      }
      enqueue.assign({ running: strategies })
    }),
    stopStrategies: enqueueActions(({ context, enqueue }) => {
      for (const strategy of strategiesOf(context)) enqueue.stopChild(strategy)
    }),
    nextRound: assign({ round: ({ context }) => context.round + 1 }),
    noteRepeatedOffer: assign(({ event }) =>
      event.type === 'offer.repeated' ? { offerId: event.offerId, strategies: event.strategies, known: event.target } : {}),
    noteCandidate: assign({
      candidates: ({ context, event }) => ('candidate' in event ? { ...context.candidates, [event.candidate.id]: event.candidate } : context.candidates),
    }),
    noteReady: assign({
      ready: ({ context, event }) =>
        event.type === 'channel.secured' || event.type === 'channel.arrived'
          ? [...context.ready, { channelId: event.channelId, candidateId: event.candidate.id }]
          : context.ready,
    }),
    noteExhausted: assign({
      running: ({ context, event }) => (event.type === 'strategy.exhausted' ? context.running.filter(name => name !== event.strategy) : context.running),
    }),
    notePublished: assign({ signalling: ({ context }) => ({ ...context.signalling, published: true }) }),
    noteAcknowledged: assign({ signalling: ({ context }) => ({ ...context.signalling, acknowledged: true }) }),
    noteAnswered: assign({ signalling: ({ context }) => ({ ...context.signalling, acknowledged: true, answered: true }) }),
    noteSignallingFailure: assign({
      signalling: ({ context }, { failure }: { failure: Failure }) => ({ ...context.signalling, failure }),
    }),
    passAnswerOn: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'exchange.answered') return
      const answered: StrategyEvent = { type: 'peer.answered', endpoints: event.endpoints }
      for (const strategy of context.running) enqueue.sendTo(strategy, answered)
    }),
    tellSignallingEnded: enqueueActions(({ context, enqueue }) => {
      for (const strategy of context.running) enqueue.sendTo(strategy, { type: 'signalling.ended' } satisfies StrategyEvent)
    }),
    chooseChannel: enqueueActions(({ context, enqueue }) => {
      const [electing, ...ready] = context.ready
      enqueue.assign({ electing, ready })
      for (const strategy of context.running) enqueue.sendTo(strategy, { type: 'election.started' } satisfies StrategyEvent)
    }),
    dropChannel: enqueueActions(({ context, enqueue }, { failure }: { failure: Failure }) => {
      const candidates = context.electing === undefined ? context.candidates : markCandidate(context.candidates, context.electing.candidateId, 'failed', failure)
      enqueue.assign({ electing: undefined, candidates })
      for (const strategy of context.running) enqueue.sendTo(strategy, { type: 'election.failed' } satisfies StrategyEvent)
    }),
    elect: assign(({ context }) => ({ elected: context.electing, electing: undefined, candidates: settleCandidates(context.candidates, context.electing?.candidateId) })),
    settle: assign({ candidates: ({ context }) => settleCandidates(context.candidates, context.elected?.candidateId) }),
    noteFailure: assign((_, { failure }: { failure: Failure }) => ({ failure })),
    /** Ends the channels of the session that were not chosen, by FIN. */
    endChannels: (_, _params: { readonly sessionKey: string; readonly exceptId: string | undefined }) => notProvided('endChannels'),
  },
}).createMachine({
  id: 'attempt',
  description: 'One try to get an opened channel to a peer.',
  context: ({ input }) => ({
    ...input,
    known: input.target,
    round: 0,
    running: [],
    candidates: {},
    ready: [],
    electing: undefined,
    elected: undefined,
    signalling: { published: false, acknowledged: false, answered: false, failure: undefined },
    failure: undefined,
  }),
  output: ({ context }): AttemptOutput => {
    const candidate = context.elected && context.candidates[context.elected.candidateId]
    if (context.elected === undefined || candidate === undefined) return { ok: false, failure: failureOf(context) }
    return { ok: true, peerId: context.known?.peerId ?? '', channelId: context.elected.channelId, candidate }
  },
  initial: 'starting',
  on: {
    'candidate.changed': { actions: 'noteCandidate' },
    'attempt.cancel': { target: '.cancelled', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
  },
  after: {
    attemptTimeout: { target: '.failed', actions: { type: 'noteFailure', params: { failure: { code: 'ERR_TIMEOUT', message: 'the attempt ran out of time' } } } },
  },
  states: {
    starting: {
      description: 'The initiator has to find out who the peer is; the responder knows from the offer.',
      always: [{ guard: 'isInitiator', target: 'resolving' }, { target: 'connecting' }],
    },
    resolving: {
      description: 'Reads the address, or asks the brokers for it.',
      invoke: {
        id: 'resolve',
        src: 'resolvePeer',
        input: ({ context }) => ({ peer: context.peer }),
        onDone: [
          {
            guard: { type: 'isResolved', params: ({ event }) => ({ output: event.output }) },
            target: 'connecting',
            actions: { type: 'noteTarget', params: ({ event }) => ({ output: event.output }) },
          },
          { target: 'failed', actions: { type: 'noteTarget', params: ({ event }) => ({ output: event.output }) } },
        ],
        onError: { target: 'failed', actions: { type: 'noteFailure', params: { failure: { code: 'ERR_INTERNAL', message: 'resolving the peer failed' } } } },
      },
    },
    connecting: {
      description: 'Strategies look for channels while the offer travels; the initiator opens the first that is ready.',
      type: 'parallel',
      entry: 'startStrategies',
      exit: 'stopStrategies',
      always: [
        { guard: and(['isExhausted', 'hasRoundLeft']), target: 'connecting', reenter: true, actions: 'nextRound' },
        { guard: 'isExhausted', target: 'failed' },
      ],
      on: {
        'channel.secured': { actions: ['noteCandidate', 'noteReady'] },
        'channel.arrived': { actions: ['noteCandidate', 'noteReady'] },
        'strategy.exhausted': { actions: 'noteExhausted' },
        'offer.repeated': { target: 'connecting', reenter: true, actions: 'noteRepeatedOffer' },
      },
      states: {
        signalling: {
          initial: 'choosing',
          states: {
            choosing: {
              description: 'The responder answers, the initiator offers, and without brokers there is nobody to ask.',
              always: [
                { guard: not('isInitiator'), target: 'answering' },
                { guard: 'hasBrokers', target: 'holding' },
                { target: 'silent' },
              ],
            },
            holding: {
              description: 'The first dials are out; on a near path they are faster than any message.',
              after: { offerGrace: [{ guard: 'isDirectComingUp', target: 'heldBack' }, { target: 'offering' }] },
            },
            heldBack: {
              description: 'A direct channel is in TLS: the offer waits until it fails, or not longer than the hold.',
              always: { guard: not('isDirectComingUp'), target: 'offering' },
              after: { offerHold: 'offering' },
            },
            offering: {
              description: 'The offer goes to the homes of the peer and what comes back is heard, as long as the attempt runs.',
              invoke: {
                id: 'exchange',
                src: 'exchange',
                input: ({ context }) => ({
                  peerId: context.known?.peerId ?? '', sessionKey: context.sessionKey, sessionId: context.sessionId, attemptId: context.attemptId, protocol: context.protocol,
                  strategies: strategiesOf(context), brokers: context.known?.brokers ?? [],
                }),
                onError: { target: 'silent', actions: { type: 'noteSignallingFailure', params: { failure: { code: 'ERR_INTERNAL', message: 'signalling failed' } } } },
              },
              on: {
                'exchange.failed': { target: 'silent', actions: { type: 'noteSignallingFailure', params: ({ event }) => ({ failure: event.failure }) } },
                'exchange.refused': { target: '#attempt.refused', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
                'exchange.answered': { target: '.answered', actions: ['noteAnswered', 'passAnswerOn'] },
              },
              initial: 'publishing',
              states: {
                publishing: {
                  description: 'Waits for the first end-to-end acknowledgement.',
                  on: {
                    'exchange.published': { actions: 'notePublished' },
                    'exchange.acknowledged': { target: 'awaitingAnswer', actions: 'noteAcknowledged' },
                  },
                  after: { ackTimeout: '#attempt.connecting.signalling.silent' },
                },
                awaitingAnswer: {
                  description: 'The peer is alive and thinks.',
                  after: { answerTimeout: '#attempt.connecting.signalling.silent' },
                },
                answered: { description: 'The peer’s endpoints are known; it dials us where it can.' },
              },
            },
            answering: {
              description: 'The answer goes out on the broker of the offer, later on the others.',
              invoke: {
                id: 'answer',
                src: 'answer',
                input: ({ context }) => ({ offerId: context.offerId ?? '', strategies: context.strategies }),
                onError: 'silent',
              },
            },
            silent: { description: 'No answer will come.', entry: 'tellSignallingEnded' },
          },
        },
        election: {
          initial: 'awaitingChannel',
          states: {
            awaitingChannel: {
              description: 'No secured channel yet; a responder leaves the choice to the initiator.',
              always: { guard: and(['isInitiator', 'hasReadyChannel']), target: 'electing' },
            },
            electing: {
              description: 'OPEN was sent on the best channel.',
              entry: 'chooseChannel',
              invoke: {
                id: 'open',
                src: 'openChannel',
                input: ({ context }) => ({ channelId: context.electing?.channelId ?? '', sessionKey: context.sessionKey, reason: 'dial' }),
                onError: { target: 'awaitingChannel', actions: { type: 'dropChannel', params: { failure: { code: 'ERR_INTERNAL', message: 'opening the channel failed' } } } },
              },
              on: {
                'open.accepted': { target: '#attempt.connected', actions: 'elect' },
                'open.refused': { target: '#attempt.refused', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
                'open.lost': { target: 'awaitingChannel', actions: { type: 'dropChannel', params: ({ event }) => ({ failure: event.failure }) } },
              },
              initial: 'opening',
              states: {
                opening: {
                  description: 'Waits for ACCEPT or PENDING.',
                  on: { 'open.pending': 'pending' },
                  after: { acceptTimeout: { target: '#attempt.connecting.election.awaitingChannel', actions: { type: 'dropChannel', params: { failure: acceptTimedOut() } } } },
                },
                pending: {
                  description: 'The peer’s application is being asked.',
                  after: { pendingTimeout: { target: '#attempt.connecting.election.awaitingChannel', actions: { type: 'dropChannel', params: { failure: acceptTimedOut() } } } },
                },
              },
            },
          },
        },
      },
    },
    connected: {
      type: 'final',
      description: 'A channel is open; the others are ended.',
      entry: endOthers(),
    },
    refused: { type: 'final', description: 'The peer refused the pipe.', entry: ['settle', endOthers()] },
    failed: { type: 'final', description: 'Every strategy is exhausted, or time ran out.', entry: ['settle', endOthers()] },
    cancelled: { type: 'final', description: 'The user’s signal ended the attempt.', entry: ['settle', endOthers()] },
  },
})

function endOthers() {
  return { type: 'endChannels', params: ({ context }: { context: AttemptContext }) => ({ sessionKey: context.sessionKey, exceptId: context.elected?.channelId }) } as const
}

function acceptTimedOut(): Failure {
  return { code: 'ERR_ACCEPT_TIMEOUT', message: 'the peer did not accept in time' }
}

function notProvided(name: string): never {
  throw new Error(`the action ${name} comes from createAttemptActors`)
}
