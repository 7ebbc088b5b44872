import { and } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { connectedStates } from './connected.region.js'
import { connectionSetup } from './connection.setup.js'
import { attemptInputOf, repeatedOffer } from './offers.js'
import { recoveringStates } from './recovering.region.js'

const attemptBroke: Failure = { code: 'ERR_INTERNAL', message: 'the attempt broke' }
const authorizeFailed: Failure = { code: 'ERR_REFUSED', message: 'authorize failed' }
const authorizeTimedOut: Failure = { code: 'ERR_REFUSED', message: 'authorize did not answer in time' }
const nothingAllowed: Failure = { code: 'ERR_REFUSED', message: 'none of the strategies is allowed' }
const handlerFailed: Failure = { code: 'ERR_REFUSED', message: 'the handler failed' }

/** One pipe from the first dial, offer or OPEN to its end. A root actor. */
export const connectionMachine = connectionSetup.createMachine({
  id: 'connection',
  description: 'One pipe, from the first dial, offer or OPEN to its end.',
  context: ({ input }) => ({
    ...input, pendingChannelId: input.channelId, allowed: input.allowed ?? [], elected: undefined, target: undefined, isOpen: false,
    request: { reason: 'dial', strategies: [] }, searches: 0, isPinned: false, failure: undefined,
  }),
  output: ({ context }) => ({ failure: context.failure }),
  initial: 'starting',
  on: {
    'connection.cancel': { target: '.failed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
  },
  states: {
    starting: {
      description: 'An initiator attempts at once; a responder asks first whether it may, unless that is settled for everybody.',
      always: [{ guard: 'isInitiator', target: 'attempting' }, { guard: 'isAccepted', target: 'connected' }, { guard: 'isAnythingAllowed', target: 'choosing' }, { target: 'authorising' }],
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
        onError: { target: 'refusing', actions: { type: 'noteFailure', params: { failure: authorizeFailed } } },
      },
      on: {
        'open.received': { actions: 'noteOpen' },
        'offer.received': { actions: 'noteOffer' },
        'peer.cancelled': { target: 'failed', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
      },
      after: { authorizeTimeout: { target: 'refusing', actions: { type: 'noteFailure', params: { failure: authorizeTimedOut } } } },
      initial: 'asking',
      states: {
        asking: {
          description: 'Most answers come at once.',
          after: { pendingGrace: [{ guard: 'hasOpen', target: 'thinking' }, { target: 'waiting' }] },
        },
        waiting: {
          description: 'The answer takes a while, and no OPEN is there that could be told so.',
          on: { 'open.received': { target: 'thinking', actions: 'noteOpen' } },
        },
        thinking: {
          description: 'The peer is told that the answer takes a while, on each channel it opens.',
          invoke: {
            id: 'tellPending',
            src: 'tellPending',
            input: ({ context }) => ({ sessionKey: context.sessionKey, channelId: context.pendingChannelId }),
            onError: 'waiting',
          },
          on: { 'open.received': { target: 'thinking', reenter: true, actions: 'noteOpen' } },
        },
      },
    },
    choosing: {
      description: 'An OPEN is there already, or the offer has to be answered.',
      always: [
        { guard: and(['hasOpen', 'isAnythingAllowed']), target: 'accepting' },
        { guard: 'isUsable', target: 'attempting' },
        { target: 'refusing', actions: { type: 'noteFailure', params: { failure: nothingAllowed } } },
      ],
    },
    attempting: {
      description: 'An attempt looks for a channel; a responder waits for the OPEN of the initiator.',
      invoke: {
        id: 'attempt',
        src: 'attempt',
        input: ({ context }) => attemptInputOf(context),
        onDone: [
          {
            guard: { type: 'isOk', params: ({ event }) => ({ output: event.output }) },
            target: 'connected',
            actions: { type: 'noteElected', params: ({ event }) => ({ output: event.output }) },
          },
          { target: 'failed', actions: { type: 'noteElected', params: ({ event }) => ({ output: event.output }) } },
        ],
        onError: { target: 'failed', actions: { type: 'noteFailure', params: { failure: attemptBroke } } },
      },
      on: {
        'channel.arrived': { actions: { type: 'passOn', params: ({ event }) => ({ event }) } },
        'open.received': { target: 'accepting', actions: 'noteOpen' },
        'offer.received': {
          guard: { type: 'isOfferUsable', params: ({ event }) => ({ offer: event.offer }) },
          actions: { type: 'passOn', params: ({ context, event }) => ({ event: repeatedOffer(context, event.offer) }) },
        },
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
          { guard: { type: 'isChannelLost', params: ({ event }) => ({ output: event.output }) }, target: 'attempting', actions: 'forgetOpen' },
          { target: 'refusing', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.output.ok ? undefined : event.output.failure }) } },
        ],
        onError: { target: 'refusing', actions: { type: 'noteFailure', params: { failure: handlerFailed } } },
      },
      on: { 'open.received': { target: 'accepting', reenter: true, actions: 'noteOpen' } },
      after: { acceptTimeout: { target: 'refusing', actions: { type: 'noteFailure', params: { failure: handlerFailed } } } },
    },
    connected: connectedStates,
    recovering: recoveringStates,
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
