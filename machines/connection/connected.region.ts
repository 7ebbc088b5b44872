import type { Failure } from '../../src/errors/index.js'
import { connectionSetup } from './connection.setup.js'
import { pipeEnds } from './pipe-ends.js'
import { searchInputOf, upgrade, wanted } from './paths.js'

const broke: Failure = { code: 'ERR_INTERNAL', message: 'the search broke' }
const tooLong: Failure = { code: 'ERR_TIMEOUT', message: 'the search for another path did not end' }

/** The pipe has a path that answers; perhaps a better one is looked for. */
export const connectedStates = connectionSetup.createStateConfig({
  description: 'The pipe is open.',
  entry: 'startPipeSession',
  on: {
    ...pipeEnds,
    'open.received': { actions: { type: 'passToPipe', params: ({ event }) => ({ event }) } },
    'session.suspected': '#connection.recovering',
    'session.suspended': '#connection.recovering',
    'path.requested': [
      {
        guard: 'isInitiator', target: '.searching', reenter: true,
        actions: { type: 'noteRequest', params: ({ event }) => ({ request: { reason: 'repath', strategies: event.strategies, requestId: event.requestId } }) },
      },
      { actions: { type: 'askForPath', params: ({ context, event }) => ({ sessionKey: context.sessionKey, strategies: event.strategies }) } },
    ],
  },
  initial: 'steady',
  states: {
    steady: {
      description: 'Nothing is looked for; a pipe by relay waits for the next try at a better path.',
      on: {
        'network.changed': { guard: 'isUpgradable', target: 'searching', actions: { type: 'noteRequest', params: ({ context }) => ({ request: upgrade(context) }) } },
        'path.wanted': { guard: 'isInitiator', target: 'searching', actions: { type: 'noteRequest', params: ({ context, event }) => ({ request: wanted(context, event.strategies) }) } },
        'offer.received': { guard: { type: 'isNewOffer', params: ({ event }) => ({ offer: event.offer }) }, target: 'searching', actions: 'noteOffer' },
      },
      after: { upgradeWait: { guard: 'isUpgradable', target: 'searching', actions: { type: 'noteRequest', params: ({ context }) => ({ request: upgrade(context) }) } } },
    },
    searching: {
      description: 'Another channel is looked for; when the initiator has opened one the pipe moves there.',
      exit: { type: 'endChannels', params: ({ context }) => ({ sessionKey: context.sessionKey }) },
      invoke: {
        id: 'search',
        src: 'search',
        input: ({ context }) => searchInputOf(context),
        onDone: {
          target: 'steady',
          actions: [{ type: 'noteFound', params: ({ event }) => ({ output: event.output }) }, { type: 'tellFound', params: ({ event }) => ({ output: event.output }) }],
        },
        onError: { target: 'steady', actions: { type: 'tellFound', params: { output: { ok: false, failure: broke } } } },
      },
      on: {
        // what was looked for is not lost: the recovery looks for any path
        'session.suspected': { target: '#connection.recovering', actions: 'tellSuperseded' },
        'session.suspended': { target: '#connection.recovering', actions: 'tellSuperseded' },
        'channel.arrived': { actions: { type: 'passToSearch', params: ({ event }) => ({ event }) } },
        'offer.received': [
          { guard: { type: 'isNewOffer', params: ({ event }) => ({ offer: event.offer }) }, target: 'searching', reenter: true, actions: 'noteOffer' },
          { guard: { type: 'isOfferUsable', params: ({ event }) => ({ offer: event.offer }) }, actions: { type: 'passRound', params: ({ event }) => ({ offer: event.offer }) } },
        ],
        'path.requested': {
          guard: 'isInitiator', target: 'searching', reenter: true,
          actions: ['tellSuperseded', { type: 'noteRequest', params: ({ event }) => ({ request: { reason: 'repath', strategies: event.strategies, requestId: event.requestId } }) }],
        },
        // the initiator has chosen; its own search ends by itself
        'session.moved': { guard: 'isResponder', target: 'steady' },
      },
      after: { searchLimit: { target: 'steady', actions: { type: 'tellFound', params: { output: { ok: false, failure: tooLong } } } } },
    },
  },
})
