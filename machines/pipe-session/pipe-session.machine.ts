import { assign, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { AcceptOpenLogic, PipeSessionContext, PipeSessionEvent, PipeSessionInput, PipeSessionOutput, WatchSessionLogic } from './pipe-session.types.js'

const unwatched: Failure = { code: 'ERR_INTERNAL', message: 'watching the session failed' }

/** The life of an open pipe. Bytes never pass through here; the session engine reports what matters. */
export const pipeSessionMachine = setup({
  types: {
    context: {} as PipeSessionContext,
    events: {} as PipeSessionEvent,
    input: {} as PipeSessionInput,
    output: {} as PipeSessionOutput,
    children: {} as { watch: 'watchSession'; accept: 'acceptOpen' },
  },
  actors: {} as { watchSession: WatchSessionLogic; acceptOpen: AcceptOpenLogic },
  guards: { hasPeerEnded: ({ context }) => context.hasPeerEnded },
  delays: { moveTimeout: ({ context }) => context.moveTimeoutMs },
  actions: {
    noteChannel: assign({ nextChannelId: ({ context, event }) => (event.type === 'open.received' ? event.channelId : context.nextChannelId) }),
    notePeerEnded: assign({ hasPeerEnded: true }),
    noteFailure: assign((_, { failure }: { failure: Failure }) => ({ failure })),
    /** Lets the application know how it ended. */
    closeSession: (_, _params: { readonly sessionKey: string; readonly failure: Failure | undefined }) => {
      throw new Error('closeSession comes from createPipeSessionActors')
    },
  },
}).createMachine({
  id: 'pipeSession',
  description: 'The life of an open pipe, on whatever channel carries it.',
  context: ({ input }) => ({ ...input, nextChannelId: undefined, hasPeerEnded: false, failure: undefined }),
  output: ({ context }) => ({ failure: context.failure }),
  invoke: {
    id: 'watch',
    src: 'watchSession',
    input: ({ context }) => ({ sessionKey: context.sessionKey }),
    onError: { target: '.closed', actions: { type: 'noteFailure', params: { failure: unwatched } } },
  },
  on: {
    'peer.ended': { actions: 'notePeerEnded' },
    'session.finished': '.closed',
    'session.lost': { target: '.closed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
    'session.aborted': { target: '.closed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
  },
  initial: 'open',
  states: {
    open: {
      description: 'Bytes move in both directions.',
      always: { guard: 'hasPeerEnded', target: 'draining' },
      on: { 'open.received': { target: 'moving', actions: 'noteChannel' } },
    },
    moving: {
      description: 'A channel of a later epoch is taken into service; the old one is read to its end.',
      invoke: {
        id: 'accept',
        src: 'acceptOpen',
        input: ({ context }) => ({ sessionKey: context.sessionKey, channelId: context.nextChannelId }),
        onDone: 'open',
        onError: 'open',
      },
      on: { 'open.received': { target: 'moving', reenter: true, actions: 'noteChannel' } },
      after: { moveTimeout: 'open' },
    },
    draining: {
      description: 'The peer has ended its side; ours goes on until it is acknowledged.',
      on: { 'open.received': { target: 'moving', actions: 'noteChannel' } },
    },
    closed: {
      type: 'final',
      description: 'No more bytes will move.',
      entry: { type: 'closeSession', params: ({ context }) => ({ sessionKey: context.sessionKey, failure: context.failure }) },
    },
  },
})
