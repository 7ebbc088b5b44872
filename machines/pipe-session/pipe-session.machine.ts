import { assign, sendParent, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { AcceptOpenLogic, PipeSessionContext, PipeSessionEvent, PipeSessionInput, PipeSessionOutput, WatchSessionLogic } from './pipe-session.types.js'

const unwatched: Failure = { code: 'ERR_INTERNAL', message: 'watching the session failed' }
const noPath: Failure = { code: 'ERR_CONNECTION_LOST', message: 'no path to the peer was found in time' }

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
  guards: {
    hasPeerEnded: ({ context }) => context.hasPeerEnded,
    hasPath: ({ context }) => context.path === 'open',
    isSuspected: ({ context }) => context.path === 'suspected',
    isLost: ({ context }) => context.path === 'lost',
    isClosedByPeer: ({ context }) => context.isClosedByPeer,
    mayWait: ({ context }) => context.suspendMs > 0,
  },
  delays: { moveTimeout: ({ context }) => context.moveTimeoutMs, suspendLimit: ({ context }) => context.suspendMs, closedLimit: ({ context }) => context.closedMs },
  actions: {
    noteChannel: assign({ nextChannelId: ({ context, event }) => (event.type === 'open.received' ? event.channelId : context.nextChannelId) }),
    notePeerEnded: assign({ hasPeerEnded: true }),
    notePath: assign({ path: 'open' }),
    noteSuspicion: assign({ path: 'suspected' }),
    noteLoss: assign(({ event }) => (event.type === 'session.suspended' ? { path: 'lost' as const, loss: event.failure, isClosedByPeer: event.isClosedByPeer } : {})),
    noteFailure: assign((_, { failure }: { failure: Failure }) => ({ failure })),
    noteNoPath: assign({ failure: ({ context }) => context.loss ?? noPath }),
    tellConnection: sendParent(({ event }) => event),
    /** Lets the application know how it ended. */
    closeSession: (_, _params: { readonly sessionKey: string; readonly failure: Failure | undefined }) => {
      throw new Error('closeSession comes from createPipeSessionActors')
    },
  },
}).createMachine({
  id: 'pipeSession',
  description: 'The life of an open pipe, on whatever channel carries it.',
  context: ({ input }) => ({ ...input, nextChannelId: undefined, hasPeerEnded: false, path: 'open', loss: undefined, isClosedByPeer: false, failure: undefined }),
  output: ({ context }) => ({ failure: context.failure }),
  invoke: {
    id: 'watch',
    src: 'watchSession',
    input: ({ context }) => ({ sessionKey: context.sessionKey }),
    onError: { target: '.closed', actions: { type: 'noteFailure', params: { failure: unwatched } } },
  },
  on: {
    'peer.ended': { actions: 'notePeerEnded' },
    'session.suspected': { actions: ['noteSuspicion', 'tellConnection'] },
    'session.trusted': { actions: ['notePath', 'tellConnection'] },
    'session.moved': { actions: ['notePath', 'tellConnection'] },
    'session.suspended': [
      { guard: 'mayWait', actions: ['noteLoss', 'tellConnection'] },
      { target: '.closed', actions: ['noteLoss', 'noteNoPath'] },
    ],
    'path.wanted': { actions: 'tellConnection' },
    'session.finished': '.closed',
    'session.lost': { target: '.closed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
    'session.aborted': { target: '.closed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
    'session.giveUp': { target: '.closed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
  },
  initial: 'open',
  states: {
    open: {
      description: 'Bytes move in both directions.',
      always: [{ guard: 'isLost', target: 'stalled.suspended' }, { guard: 'isSuspected', target: 'stalled' }, { guard: 'hasPeerEnded', target: 'draining' }],
      on: { 'open.received': { target: 'moving', actions: 'noteChannel' } },
    },
    draining: {
      description: 'The peer has ended its side; ours goes on until it is acknowledged.',
      always: [{ guard: 'isLost', target: 'stalled.suspended' }, { guard: 'isSuspected', target: 'stalled' }],
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
    stalled: {
      description: 'No path answers; what is written waits, as long as one may be found.',
      always: { guard: 'hasPath', target: 'open' },
      on: { 'open.received': { target: 'moving', actions: 'noteChannel' } },
      after: { suspendLimit: { guard: 'mayWait', target: 'closed', actions: 'noteNoPath' } },
      initial: 'suspected',
      states: {
        suspected: {
          description: 'The peer is silent; another path is looked for while this one is still read.',
          always: { guard: 'isLost', target: 'suspended' },
        },
        suspended: {
          description: 'There is no channel. Where the other end has closed it there is less to wait for.',
          after: { closedLimit: { guard: 'isClosedByPeer', target: '#pipeSession.closed', actions: 'noteNoPath' } },
        },
      },
    },
    closed: {
      type: 'final',
      description: 'No more bytes will move.',
      entry: { type: 'closeSession', params: ({ context }) => ({ sessionKey: context.sessionKey, failure: context.failure }) },
    },
  },
})
