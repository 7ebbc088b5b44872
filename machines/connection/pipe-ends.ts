import type { Failure } from '../../src/errors/index.js'
import { connectionSetup } from './connection.setup.js'

const pipeSessionBroke: Failure = { code: 'ERR_INTERNAL', message: 'the pipe session broke' }

/** The pipe session is a spawned child, for it lives on when the path is lost: how it ends is the end of the connection. */
export const pipeEnds = connectionSetup.createStateConfig({
  on: {
    'xstate.done.actor.pipeSession': [
      {
        guard: { type: 'hasFailed', params: ({ event }) => ({ failure: event.output.failure }) },
        target: '#connection.failed',
        actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.output.failure }) },
      },
      { target: '#connection.closed' },
    ],
    'xstate.error.actor.pipeSession': { target: '#connection.failed', actions: { type: 'noteFailure', params: { failure: pipeSessionBroke } } },
  },
}).on
