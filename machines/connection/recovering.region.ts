import { connectionSetup } from './connection.setup.js'
import { pipeEnds } from './pipe-ends.js'
import { recovery, searchInputOf } from './paths.js'

/** The path is silent or gone: the initiator looks for another one until there is one, or time is up (pipeSession says when). */
export const recoveringStates = connectionSetup.createStateConfig({
  description: 'The path under the pipe is silent or gone; another one is looked for.',
  entry: 'forgetSearches',
  invoke: { id: 'quicken', src: 'quicken', onError: {} },
  on: {
    ...pipeEnds,
    'open.received': { actions: { type: 'passToPipe', params: ({ event }) => ({ event }) } },
    'session.trusted': 'connected',
    'peer.cancelled': { actions: { type: 'giveUp', params: ({ event }) => ({ failure: event.failure }) } },
  },
  initial: 'choosing',
  states: {
    choosing: {
      description: 'The initiator leads; a responder answers, and asks to be looked for.',
      always: [
        { guard: 'isInitiator', target: 'searching', actions: { type: 'noteRequest', params: ({ context }) => ({ request: recovery(context) }) } },
        { target: 'awaitingPeer' },
      ],
    },
    searching: {
      description: 'An attempt looks for a channel that carries the pipe on.',
      exit: { type: 'endChannels', params: ({ context }) => ({ sessionKey: context.sessionKey }) },
      invoke: {
        id: 'search',
        src: 'search',
        input: ({ context }) => searchInputOf(context),
        onDone: [
          {
            guard: { type: 'isOk', params: ({ event }) => ({ output: event.output }) },
            target: '#connection.connected',
            actions: { type: 'noteFound', params: ({ event }) => ({ output: event.output }) },
          },
          {
            guard: { type: 'isHopeless', params: ({ event }) => ({ output: event.output }) },
            target: 'pausing',
            actions: { type: 'giveUp', params: ({ event }) => ({ failure: event.output.ok ? unknown : event.output.failure }) },
          },
          { target: 'pausing', actions: { type: 'noteFound', params: ({ event }) => ({ output: event.output }) } },
        ],
        onError: 'pausing',
      },
      on: {
        'channel.arrived': { actions: { type: 'passToSearch', params: ({ event }) => ({ event }) } },
        'offer.received': [
          { guard: { type: 'isNewOffer', params: ({ event }) => ({ offer: event.offer }) }, target: 'searching', reenter: true, actions: 'noteOffer' },
          { guard: { type: 'isOfferUsable', params: ({ event }) => ({ offer: event.offer }) }, actions: { type: 'passRound', params: ({ event }) => ({ offer: event.offer }) } },
        ],
        'network.changed': { guard: 'isInitiator', target: 'searching', reenter: true },
        'session.moved': { guard: 'isResponder', target: '#connection.connected' },
      },
      after: { searchLimit: 'pausing' },
    },
    pausing: {
      description: 'That led nowhere; the next attempt comes at once.',
      on: { 'network.changed': 'choosing', 'path.wanted': 'choosing', 'session.moved': '#connection.connected' },
      after: { recoveryPause: 'choosing' },
    },
    awaitingPeer: {
      description: 'The initiator is asked for a path, again and again; its offer or OPEN is waited for.',
      invoke: { id: 'ask', src: 'askForPath', input: ({ context }) => ({ sessionKey: context.sessionKey }), onError: {} },
      on: {
        'offer.received': { guard: { type: 'isNewOffer', params: ({ event }) => ({ offer: event.offer }) }, target: 'searching', actions: 'noteOffer' },
        'session.moved': '#connection.connected',
      },
    },
  },
})

const unknown = { code: 'ERR_SESSION_UNKNOWN', message: 'the peer does not know the pipe any more' } as const
