import { assign, sendTo, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { attemptMachine } from '../attempt/attempt.machine.js'
import type { AttemptInput, AttemptOutput } from '../attempt/attempt.types.js'
import { pipeSessionMachine } from '../pipe-session/pipe-session.machine.js'
import type {
  AcceptOpenLogic, AuthorizeLogic, AuthorizeOutput, ConnectionContext, ConnectionEvent, ConnectionInput, ConnectionOutput, RefuseLogic, TellPendingLogic,
} from './connection.types.js'

/** One pipe from the first dial, offer or OPEN to its end. A root actor. */
export const connectionMachine = setup({
  types: {
    context: {} as ConnectionContext,
    events: {} as ConnectionEvent,
    input: {} as ConnectionInput,
    output: {} as ConnectionOutput,
  },
  actors: { attempt: attemptMachine, pipeSession: pipeSessionMachine } as {
    attempt: typeof attemptMachine
    pipeSession: typeof pipeSessionMachine
    authorize: AuthorizeLogic
    tellPending: TellPendingLogic
    acceptOpen: AcceptOpenLogic
    refuse: RefuseLogic
  },
  guards: {
    isInitiator: ({ context }) => context.role === 'initiator',
    hasOpen: ({ context }) => context.pendingChannelId !== undefined,
    isAllowed: (_, { output }: { output: AuthorizeOutput }) => output.ok,
    isOk: (_, { output }: { output: { readonly ok: boolean } }) => output.ok,
    hasFailed: (_, { failure }: { failure: Failure | undefined }) => failure !== undefined,
  },
  delays: {
    pendingGrace: ({ context }) => context.attempt.policy.attempt.pendingGraceMs,
    authorizeTimeout: ({ context }) => context.attempt.policy.attempt.authorizeTimeoutMs,
    acceptTimeout: ({ context }) => context.attempt.policy.attempt.acceptTimeoutMs,
  },
  actions: {
    noteOpen: assign({ pendingChannelId: ({ context, event }) => (event.type === 'open.received' ? event.channelId : context.pendingChannelId) }),
    noteAllowed: assign((_, { output }: { output: AuthorizeOutput }) => (output.ok ? { allowed: output.strategies } : { failure: output.failure })),
    noteElected: assign((_, { output }: { output: AttemptOutput }) => (output.ok ? { elected: output.candidate, peerId: output.peerId } : { failure: output.failure })),
    noteFailure: assign((_, { failure }: { failure: Failure | undefined }) => ({ failure })),
    passChannelOn: sendTo('attempt', ({ event }) => event as never),
    passOpenOn: sendTo('pipeSession', ({ event }) => event as never),
    passOfferOn: sendTo('attempt', ({ event, context }) => {
      const offer = event.type === 'offer.received' ? event.offer : context.offer
      return { type: 'offer.repeated', offerId: offer?.offerId, strategies: offer?.strategies, target: offer?.target } as never
    }),
  },
}).createMachine({
  id: 'connection',
  description: 'One pipe, from the first dial, offer or OPEN to its end.',
  context: ({ input }) => ({ ...input, pendingChannelId: input.channelId, allowed: [], elected: undefined, failure: undefined }),
  output: ({ context }) => ({ failure: context.failure }),
  initial: 'starting',
  on: {
    'connection.cancel': { target: '.failed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
  },
  states: {
    starting: {
      description: 'An initiator attempts at once; a responder asks first whether it may.',
      always: [{ guard: 'isInitiator', target: 'attempting' }, { target: 'authorising' }],
    },
    authorising: {
      description: 'The allow list and the application are asked, before anything is revealed.',
      invoke: {
        id: 'authorize',
        src: 'authorize',
        input: ({ context }) => ({ peerId: context.peerId ?? '', protocol: context.protocol, strategies: context.attempt.strategies }),
        onDone: [
          {
            guard: { type: 'isAllowed', params: ({ event }) => ({ output: event.output }) },
            target: 'choosing',
            actions: { type: 'noteAllowed', params: ({ event }) => ({ output: event.output }) },
          },
          { target: 'refusing', actions: { type: 'noteAllowed', params: ({ event }) => ({ output: event.output }) } },
        ],
        onError: { target: 'refusing', actions: { type: 'noteFailure', params: { failure: refusal('authorize failed') } } },
      },
      on: { 'open.received': { actions: 'noteOpen' } },
      after: { authorizeTimeout: { target: 'refusing', actions: { type: 'noteFailure', params: { failure: refusal('authorize did not answer in time') } } } },
      initial: 'asking',
      states: {
        asking: { description: 'Most answers come at once.', after: { pendingGrace: { guard: 'hasOpen', target: 'thinking' } } },
        thinking: {
          description: 'The peer is told that the answer takes a while.',
          invoke: { id: 'tellPending', src: 'tellPending', input: ({ context }) => ({ sessionKey: context.sessionKey, channelId: context.pendingChannelId }) },
        },
      },
    },
    choosing: {
      description: 'An OPEN is there already, or the offer has to be answered.',
      always: [{ guard: 'hasOpen', target: 'accepting' }, { target: 'attempting' }],
    },
    attempting: {
      description: 'An attempt looks for a channel; a responder waits for the OPEN of the initiator.',
      invoke: {
        id: 'attempt',
        src: 'attempt',
        input: ({ context }): AttemptInput => (context.role === 'initiator' ? context.attempt : { ...context.attempt, strategies: context.allowed }),
        onDone: [
          {
            guard: { type: 'isOk', params: ({ event }) => ({ output: event.output }) },
            target: 'connected',
            actions: { type: 'noteElected', params: ({ event }) => ({ output: event.output }) },
          },
          { target: 'failed', actions: { type: 'noteElected', params: ({ event }) => ({ output: event.output }) } },
        ],
        onError: { target: 'failed', actions: { type: 'noteFailure', params: { failure: { code: 'ERR_INTERNAL', message: 'the attempt broke' } } } },
      },
      on: {
        'channel.arrived': { actions: 'passChannelOn' },
        'open.received': { target: 'accepting', actions: 'noteOpen' },
        'offer.received': { actions: 'passOfferOn' },
        'peer.cancelled': { target: 'failed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
      },
    },
    accepting: {
      description: 'The responder looks for a handler, sends ACCEPT and shows the pipe to the application.',
      invoke: {
        id: 'accept',
        src: 'acceptOpen',
        input: ({ context }) => ({ sessionKey: context.sessionKey, channelId: context.pendingChannelId }),
        onDone: [
          { guard: { type: 'isOk', params: ({ event }) => ({ output: event.output }) }, target: 'connected' },
          { target: 'refusing', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.output.ok ? undefined : event.output.failure }) } },
        ],
        onError: { target: 'refusing', actions: { type: 'noteFailure', params: { failure: refusal('the handler failed') } } },
      },
    },
    connected: {
      description: 'The pipe is open.',
      invoke: {
        id: 'pipeSession',
        src: 'pipeSession',
        input: ({ context }) => ({ sessionKey: context.sessionKey }),
        onDone: [
          {
            guard: { type: 'hasFailed', params: ({ event }) => ({ failure: event.output.failure }) },
            target: 'failed',
            actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.output.failure }) },
          },
          { target: 'closed' },
        ],
        onError: { target: 'failed', actions: { type: 'noteFailure', params: { failure: { code: 'ERR_INTERNAL', message: 'the pipe session broke' } } } },
      },
      on: { 'open.received': { actions: 'passOpenOn' } },
    },
    refusing: {
      description: 'The peer is told that it may not.',
      invoke: {
        id: 'refuse',
        src: 'refuse',
        input: ({ context }) => ({ sessionKey: context.sessionKey, channelId: context.pendingChannelId, offerId: context.offer?.offerId, failure: context.failure }),
        onDone: 'failed',
        onError: 'failed',
      },
      after: { acceptTimeout: 'failed' },
    },
    closed: { type: 'final', description: 'Both sides ended and every byte was acknowledged.' },
    failed: { type: 'final', description: 'There is no pipe, or it broke.' },
  },
})

function refusal(message: string): Failure {
  return { code: 'ERR_REFUSED', message }
}
