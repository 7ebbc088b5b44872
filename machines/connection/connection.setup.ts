import { assign, emit, enqueueActions, sendTo, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { StrategyName } from '../../src/protocol/strategy.js'
import { attemptMachine } from '../attempt/attempt.machine.js'
import type { AttemptOutput } from '../attempt/attempt.types.js'
import { pipeSessionMachine } from '../pipe-session/pipe-session.machine.js'
import type { AcceptOutput } from '../pipe-session/pipe-session.types.js'
import { searchMachine } from '../search/search.machine.js'
import type {
  AcceptOpenLogic, AskForPathLogic, AuthorizeLogic, AuthorizeOutput, ConnectionContext, ConnectionEvent, ConnectionInput, ConnectionOutput, ForAttempt, ForPipeSession, PathRequest, QuickenLogic,
  ReceivedOffer, RefuseLogic, SearchEnded, TellPendingLogic,
} from './connection.types.js'
import { mayUse, repeatedOffer } from './offers.js'
import { betterStrategies, isHopeless } from './paths.js'

const superseded: Failure = { code: 'ERR_SUPERSEDED', message: 'a later request took the place of this one' }

/** The named parts of the connection: what its states may ask, wait for and do. The states are in connection.machine.ts and the regions. */
export const connectionSetup = setup({
  types: {
    context: {} as ConnectionContext,
    events: {} as ConnectionEvent,
    input: {} as ConnectionInput,
    output: {} as ConnectionOutput,
    emitted: {} as SearchEnded,
    children: {} as {
      authorize: 'authorize'; tellPending: 'tellPending'; attempt: 'attempt'; accept: 'acceptOpen'; pipeSession: 'pipeSession'; refuse: 'refuse'
      search: 'search'; quicken: 'quicken'; ask: 'askForPath'
    },
  },
  actors: { attempt: attemptMachine, pipeSession: pipeSessionMachine, search: searchMachine } as {
    attempt: typeof attemptMachine
    pipeSession: typeof pipeSessionMachine
    search: typeof searchMachine
    authorize: AuthorizeLogic
    tellPending: TellPendingLogic
    acceptOpen: AcceptOpenLogic
    refuse: RefuseLogic
    quicken: QuickenLogic
    askForPath: AskForPathLogic
  },
  guards: {
    isInitiator: ({ context }) => context.role === 'initiator',
    isResponder: ({ context }) => context.role === 'responder',
    isAccepted: ({ context }) => context.isAccepted === true,
    isAnythingAllowed: ({ context }) => context.allowed.length > 0,
    isUsable: ({ context }) => mayUse(context, context.offer),
    isOfferUsable: ({ context }, { offer }: { offer: ReceivedOffer }) => mayUse(context, offer),
    /** A responder answers offers for the pipe it has; a later round of the attempt it answers already goes there. */
    isNewOffer: ({ context }, { offer }: { offer: ReceivedOffer }) => context.role === 'responder' && mayUse(context, offer) && offer.attemptId !== context.offer?.attemptId,
    isChannelLost: (_, { output }: { output: AcceptOutput }) => !output.ok && output.failure.code === 'ERR_CHANNEL_LOST',
    hasOpen: ({ context }) => context.pendingChannelId !== undefined,
    isAllowed: (_, { output }: { output: AuthorizeOutput }) => output.ok,
    isOk: (_, { output }: { output: { readonly ok: boolean } }) => output.ok,
    isHopeless: (_, { output }: { output: AttemptOutput }) => !output.ok && isHopeless(output.failure),
    hasFailed: (_, { failure }: { failure: Failure | undefined }) => failure !== undefined,
    isUpgradable: ({ context }) => betterStrategies(context).length > 0,
  },
  delays: {
    pendingGrace: ({ context }) => context.attempt.policy.attempt.pendingGraceMs,
    authorizeTimeout: ({ context }) => context.attempt.policy.attempt.authorizeTimeoutMs,
    acceptTimeout: ({ context }) => context.attempt.policy.attempt.acceptTimeoutMs,
    recoveryPause: ({ context }) => context.attempt.policy.recovery.pauseMs,
    upgradeWait: ({ context: { searches, attempt: { policy: { recovery } } } }) =>
      searches === 0 ? recovery.upgradeFirstMs : Math.min(recovery.upgradeMaxMs, recovery.upgradeNextMs * 6 ** (searches - 1)),
    /** Behind the limits of the attempt. */
    searchLimit: ({ context }) => 2 * context.attempt.timeoutMs,
  },
  actions: {
    noteOpen: assign({ pendingChannelId: ({ context, event }) => (event.type === 'open.received' ? event.channelId : context.pendingChannelId) }),
    forgetOpen: assign({ pendingChannelId: undefined }),
    noteOffer: assign({ offer: ({ context, event }) => (event.type === 'offer.received' ? event.offer : context.offer) }),
    noteAllowed: assign((_, { output }: { output: AuthorizeOutput }) => (output.ok ? { allowed: output.strategies } : { failure: output.failure })),
    noteElected: assign((_, { output }: { output: AttemptOutput }) => (output.ok ? { elected: output.candidate, target: output.target, peerId: output.peerId } : { failure: output.failure })),
    noteFailure: assign((_, { failure }: { failure: Failure | undefined }) => ({ failure })),
    passOn: sendTo('attempt', (_, { event }: { event: ForAttempt }) => event),

    // the open pipe
    startPipeSession: enqueueActions(({ context, enqueue }) => {
      if (context.isOpen) return
      const { attempt: { policy }, sessionKey } = context
      enqueue.assign({ isOpen: true })
      enqueue.spawnChild('pipeSession', { id: 'pipeSession', input: { sessionKey, moveTimeoutMs: policy.attempt.acceptTimeoutMs, suspendMs: policy.recovery.suspendMs, closedMs: policy.recovery.closedMs } })
    }),
    passToPipe: sendTo('pipeSession', (_, { event }: { event: ForPipeSession }) => event),
    giveUp: sendTo('pipeSession', (_, { failure }: { failure: Failure }) => ({ type: 'session.giveUp', failure })),

    // other paths for it
    noteRequest: assign((_, { request }: { request: PathRequest }) => ({ request })),
    passToSearch: sendTo('search', (_, { event }: { event: ForAttempt }) => event),
    passRound: sendTo('search', ({ context }, { offer }: { offer: ReceivedOffer }) => repeatedOffer(context, offer)),
    noteFound: assign(({ context }, { output }: { output: AttemptOutput }) =>
      output.ok ? { elected: output.candidate, target: output.target, searches: 0, isPinned: context.isPinned || context.request.reason === 'repath' } : { searches: context.searches + 1 }),
    forgetSearches: assign({ searches: 0 }),
    tellFound: emit(({ context }, { output }: { output: AttemptOutput }): SearchEnded =>
      ({ type: 'search.ended', requestId: context.request.requestId, failure: output.ok ? undefined : output.failure })),
    tellSuperseded: emit(({ context }): SearchEnded => ({ type: 'search.ended', requestId: context.request.requestId, failure: superseded })),
    /** Responder: asks the initiator, by the channel there is. */
    askForPath: (_, _params: { readonly sessionKey: string; readonly strategies: readonly StrategyName[] }) => {
      throw new Error('askForPath comes from createConnectionActors')
    },
    /** Ends what a search has left: channels that were not chosen, by FIN. */
    endChannels: (_, _params: { readonly sessionKey: string }) => {
      throw new Error('endChannels comes from createConnectionActors')
    },
  },
})
