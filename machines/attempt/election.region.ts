import { and } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { attemptSetup } from './attempt.setup.js'

const broken: Failure = { code: 'ERR_INTERNAL', message: 'opening the channel failed' }
const acceptTimedOut: Failure = { code: 'ERR_ACCEPT_TIMEOUT', message: 'the peer did not accept in time' }

/** Beside the strategies: the initiator opens one secured channel after the other, until one is accepted. */
export const electionRegion = attemptSetup.createStateConfig({
  description: 'Opens one secured channel at a time.',
  initial: 'awaitingChannel',
  states: {
    awaitingChannel: {
      description: 'No secured channel yet, or one by relay while something better may come; a responder leaves the choice to the initiator.',
      always: { guard: and(['isInitiator', 'hasElectable']), target: 'electing' },
    },
    electing: {
      description: 'OPEN was sent on the best channel.',
      entry: 'chooseChannel',
      invoke: {
        id: 'open',
        src: 'openChannel',
        input: ({ context }) => ({ channelId: context.electing?.channelId ?? '', sessionKey: context.sessionKey, reason: context.reason }),
        onError: { target: 'awaitingChannel', actions: { type: 'dropChannel', params: { failure: broken } } },
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
          after: { acceptTimeout: { target: '#attempt.connecting.election.awaitingChannel', actions: { type: 'dropChannel', params: { failure: acceptTimedOut } } } },
        },
        pending: {
          description: 'The peer’s application is being asked.',
          after: { pendingTimeout: { target: '#attempt.connecting.election.awaitingChannel', actions: { type: 'dropChannel', params: { failure: acceptTimedOut } } } },
        },
      },
    },
  },
})
