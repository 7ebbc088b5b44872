import { assign, enqueueActions, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { followsOffer } from '../strategies.js'
import { directMachine } from '../direct/direct.machine.js'
import { punchMachine } from '../punch/punch.machine.js'
import { relayMachine } from '../relay/relay.machine.js'
import { reverseMachine } from '../reverse/reverse.machine.js'
import type { StrategyEvent } from '../shared/strategy.types.js'
import { isDirectComingUp, markCandidate, settleCandidates, stopCandidates } from './candidates.js'
import type {
  AnswerLogic, AttemptContext, AttemptEvent, AttemptInput, AttemptOutput, ExchangeLogic, OpenChannelLogic, PunchLetter, ResolveOutput, ResolvePeerLogic,
} from './attempt.types.js'
import { best, isElectable, isRelayAlone } from './preference.js'
import { roundsOf, strategiesOf, strategyInput } from './rounds.js'

/** The named parts of the attempt: what its states may ask, wait for and do. The states are in attempt.machine.ts and the two regions. */
export const attemptSetup = setup({
  types: {
    context: {} as AttemptContext,
    events: {} as AttemptEvent,
    input: {} as AttemptInput,
    output: {} as AttemptOutput,
    children: {} as { resolve: 'resolvePeer'; exchange: 'exchange'; answer: 'answer'; open: 'openChannel' },
  },
  actors: { direct: directMachine, reverse: reverseMachine, punch: punchMachine, relay: relayMachine } as {
    resolvePeer: ResolvePeerLogic
    exchange: ExchangeLogic
    answer: AnswerLogic
    openChannel: OpenChannelLogic
    direct: typeof directMachine
    reverse: typeof reverseMachine
    punch: typeof punchMachine
    relay: typeof relayMachine
  },
  guards: {
    isInitiator: ({ context }) => context.role === 'initiator',
    isResolved: (_, { output }: { output: ResolveOutput }) => output.ok,
    isPeerKnown: ({ context }) => context.known !== undefined || context.role === 'responder',
    /** There are brokers, and no earlier round has asked them in vain. */
    isWorthAsking: ({ context: { known, signalling } }) => (known?.brokers.length ?? 0) > 0 && !signalling.gaveUp,
    /** A direct dial is out that a near peer answers sooner than any message. */
    isDirectOut: ({ context }) => context.running.includes('direct') && context.known?.endpoints !== undefined,
    /** The last pipe came up by a strategy that needs one. */
    isOfferPromising: ({ context }) => context.deferred.some(strategy => strategy === context.known?.remembered?.strategy),
    isDirectComingUp: ({ context }) => isDirectComingUp(context.candidates),
    /** The ports of a punch are at hand, if there is one; and a relay is, or was asked for in vain, where nothing else is tried. */
    isGathered: ({ context }) => (context.punch !== undefined || !context.running.includes('punch')) && (context.relay !== undefined || !isRelayAlone(context)),
    isPublished: ({ context }) => context.signalling.published,
    hasElectable: ({ context }) => isElectable(context),
    isExhausted: ({ context }) => context.running.length === 0 && context.deferred.length === 0 && context.ready.length === 0 && context.electing === undefined,
    hasRoundLeft: ({ context }) => context.round + 1 < roundsOf(context).length,
  },
  delays: {
    attemptTimeout: ({ context }) => context.timeoutMs,
    offerGrace: ({ context }) => context.policy.attempt.offerGraceMs,
    offerHold: ({ context }) => context.policy.attempt.offerHoldMs,
    gatherTimeout: ({ context }) => context.policy.punch.gatherMs,
    relayGrace: ({ context }) => context.policy.relay.graceMs,
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
    // the course of the attempt
    noteTarget: assign((_, { output }: { output: ResolveOutput }) => (output.ok ? { known: output.target } : { failure: output.failure })),
    noteFailure: assign((_, { failure }: { failure: Failure }) => ({ failure })),
    nextRound: assign({ round: ({ context }) => context.round + 1 }),
    noteRepeatedOffer: assign(({ context, event }) =>
      event.type === 'offer.repeated'
        ? { offerId: event.offerId, strategies: event.strategies, known: event.target, candidates: stopCandidates(context.candidates) }
        : {}),
    settle: assign({ candidates: ({ context }) => settleCandidates(context.candidates, context.elected?.candidateId) }),
    /** Ends the channels of the session that were not chosen, by FIN. */
    endChannels: (_, _params: { readonly sessionKey: string; readonly exceptId: string | undefined }) => {
      throw new Error('the action endChannels comes from createAttemptActors')
    },

    // strategies
    startStrategies: enqueueActions(({ context, enqueue }) => {
      const deferred = context.role === 'initiator' ? strategiesOf(context).filter(strategy => followsOffer.includes(strategy)) : []
      const running = strategiesOf(context).filter(strategy => !deferred.includes(strategy))
      for (const strategy of running) enqueue.spawnChild(strategy, { id: strategy, input: strategyInput(context, strategy) })
      enqueue.assign({ running, deferred, punch: undefined, punchRound: 0, relay: undefined })
    }),
    startDeferred: enqueueActions(({ context, enqueue }) => {
      const { running, deferred } = context
      for (const strategy of deferred) enqueue.spawnChild(strategy, { id: strategy, input: strategyInput(context, strategy) })
      enqueue.assign({ running: [...running, ...deferred], deferred: [] })
    }),
    dropDeferred: assign({ deferred: [] }),
    stopStrategies: enqueueActions(({ context, enqueue }) => {
      for (const strategy of strategiesOf(context)) enqueue.stopChild(strategy)
    }),
    noteExhausted: assign({
      running: ({ context, event }) => (event.type === 'strategy.exhausted' ? context.running.filter(name => name !== event.strategy) : context.running),
    }),
    noteBroken: assign({
      running: ({ context, event }) => ('actorId' in event ? context.running.filter(name => name !== event.actorId) : context.running),
    }),
    noteCandidate: assign({
      candidates: ({ context, event }) => ('candidate' in event ? { ...context.candidates, [event.candidate.id]: event.candidate } : context.candidates),
    }),
    noteReady: assign({
      ready: ({ context, event }) =>
        event.type === 'channel.secured' || event.type === 'channel.arrived'
          ? [...context.ready, { channelId: event.channelId, candidateId: event.candidate.id }]
          : context.ready,
    }),

    // signalling
    notePublished: assign({ signalling: ({ context }) => ({ ...context.signalling, published: true }) }),
    noteAcknowledged: assign({ signalling: ({ context }) => ({ ...context.signalling, acknowledged: true }) }),
    noteAnswered: assign(({ context, event }) => ({
      signalling: {
        ...context.signalling, acknowledged: true, answered: true,
        ...(event.type === 'exchange.answered' && event.peerClock !== undefined && { peerClock: event.peerClock }),
      },
      // a later round starts from what the peer said last
      known: event.type === 'exchange.answered' && context.known !== undefined ? { ...context.known, endpoints: event.endpoints } : context.known,
    })),
    noteSignallingFailure: assign({
      signalling: ({ context }, { failure }: { failure: Failure }) => ({ ...context.signalling, failure }),
    }),
    noteGaveUp: assign({ signalling: ({ context }) => ({ ...context.signalling, gaveUp: true }) }),
    passAnswerOn: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'exchange.answered') return
      const { endpoints, roundTripMs, strategies } = event
      const answered: StrategyEvent = { type: 'peer.answered', endpoints, roundTripMs, ...(strategies !== undefined && { strategies }) }
      for (const strategy of context.running) enqueue.sendTo(strategy, answered)
    }),
    // the punch, and what it tells the peer
    notePunch: assign(({ event }) => (event.type === 'punch.gathered' ? { punch: event.records, punchRound: event.round } : {})),
    noteUpdate: assign(({ context, event }) =>
      event.type === 'peer.updated' && context.known?.endpoints !== undefined
        ? { known: { ...context.known, endpoints: { ...context.known.endpoints, punch: event.punch, relay: event.relay } } }
        : {}),
    passToPunch: enqueueActions(({ context, event, enqueue }) => {
      if (context.running.includes('punch')) enqueue.sendTo('punch', event)
    }),
    sendUpdate: enqueueActions(({ context, event, enqueue }, { by }: { by: 'exchange' | 'answer' }) => {
      if (event.type === 'punch.gathered') enqueue.sendTo(by, { type: 'update', round: event.round, records: event.records, relay: context.relay ?? [] } satisfies PunchLetter)
    }),
    sendCommit: enqueueActions(({ event, enqueue }) => {
      if (event.type === 'punch.committed') enqueue.sendTo('exchange', { type: 'commit', round: event.round, inMs: event.inMs } satisfies PunchLetter)
    }),
    // the relay
    noteRelay: assign(({ event }) => (event.type === 'relay.gathered' ? { relay: event.records, relayFailure: event.failure } : {})),
    endRelayGrace: assign({ isGraceOver: true }),
    passToRelay: enqueueActions(({ context, event, enqueue }) => {
      if (context.running.includes('relay')) enqueue.sendTo('relay', event)
    }),
    /** An update, unless the peer knows no more by it. */
    stateRelay: enqueueActions(({ context, event, enqueue }, { by }: { by: 'exchange' | 'answer' }) => {
      if (event.type !== 'relay.gathered' || (event.records.length === 0 && (context.relay ?? []).length === 0)) return
      enqueue.sendTo(by, { type: 'update', round: context.punchRound, records: context.punch ?? [], relay: event.records } satisfies PunchLetter)
    }),
    tellSignallingEnded: enqueueActions(({ context, enqueue }) => {
      for (const strategy of context.running) enqueue.sendTo(strategy, { type: 'signalling.ended' } satisfies StrategyEvent)
    }),

    // election
    chooseChannel: enqueueActions(({ context, enqueue }) => {
      const electing = best(context)
      enqueue.assign({ electing, ready: context.ready.filter(one => one !== electing) })
      for (const strategy of context.running) enqueue.sendTo(strategy, { type: 'election.started' } satisfies StrategyEvent)
    }),
    dropChannel: enqueueActions(({ context, enqueue }, { failure }: { failure: Failure }) => {
      const candidates = context.electing === undefined ? context.candidates : markCandidate(context.candidates, context.electing.candidateId, 'failed', failure)
      enqueue.assign({ electing: undefined, candidates })
      for (const strategy of context.running) enqueue.sendTo(strategy, { type: 'election.failed' } satisfies StrategyEvent)
    }),
    elect: assign(({ context }) => ({ elected: context.electing, electing: undefined, candidates: settleCandidates(context.candidates, context.electing?.candidateId) })),
  },
})
