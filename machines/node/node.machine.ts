import { assign, setup, spawnChild, stopChild } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { CloseAllLogic, NodeContext, NodeEvent, NodeInput, OpenOutput, OpenPortLogic, ServeBrokersLogic } from './node.types.js'

const defect: Failure = { code: 'ERR_INTERNAL', message: 'an actor of the node failed' }
const endlessOpening: Failure = { code: 'ERR_LISTEN', message: 'the listening port did not open in time' }

/** The life of a node: one per process. */
export const nodeMachine = setup({
  types: { context: {} as NodeContext, events: {} as NodeEvent, input: {} as NodeInput },
  actors: {} as { openPort: OpenPortLogic; serveBrokers: ServeBrokersLogic; closeAll: CloseAllLogic },
  guards: {
    isOpen: (_, { output }: { output: OpenOutput }) => output.ok,
    hasBroker: ({ context }) => context.hasBroker,
  },
  delays: {
    openTimeout: ({ context }) => context.openTimeoutMs,
    startupWait: ({ context }) => context.startupWaitMs,
    closeTimeout: ({ context }) => context.closeTimeoutMs,
  },
  actions: {
    noteOpen: assign((_, { output }: { output: OpenOutput }) => (output.ok ? { listenPort: output.listenPort } : { failure: output.failure })),
    noteFailure: assign((_, { failure }: { failure: Failure }) => ({ failure })),
    startBrokers: spawnChild('serveBrokers', { id: 'serveBrokers' }),
    stopBrokers: stopChild('serveBrokers'),
    noteBrokerUp: assign({ hasBroker: true }),
    noteBrokerDown: assign({ hasBroker: false }),
  },
}).createMachine({
  id: 'node',
  description: 'The life of a node, from its listening port to its last closed socket.',
  context: ({ input }) => ({ ...input, listenPort: undefined, hasBroker: false, failure: undefined }),
  initial: 'starting',
  on: {
    'broker.down': { actions: 'noteBrokerDown' },
    'broker.up': { actions: 'noteBrokerUp' },
    // whoever watched the brokers broke: none is known to be up
    'xstate.error.actor.*': { actions: 'noteBrokerDown' },
  },
  states: {
    starting: {
      description: 'Becomes reachable: first by its port, then by a broker.',
      on: { 'node.close': 'closing' },
      initial: 'opening',
      states: {
        opening: {
          description: 'Takes the identity’s inbound role and opens the listening port.',
          invoke: {
            id: 'openPort',
            src: 'openPort',
            onDone: [
              {
                guard: { type: 'isOpen', params: ({ event }) => ({ output: event.output }) },
                target: 'awaitingBroker',
                actions: { type: 'noteOpen', params: ({ event }) => ({ output: event.output }) },
              },
              { target: '#node.closing', actions: { type: 'noteOpen', params: ({ event }) => ({ output: event.output }) } },
            ],
            onError: { target: '#node.closing', actions: { type: 'noteFailure', params: { failure: defect } } },
          },
          after: { openTimeout: { target: '#node.closing', actions: { type: 'noteFailure', params: { failure: endlessOpening } } } },
        },
        awaitingBroker: {
          description: 'Gives the first broker a moment, so that the node can be found when its address is shown.',
          entry: 'startBrokers',
          always: { guard: 'hasBroker', target: '#node.online' },
          after: { startupWait: '#node.online' },
        },
      },
    },
    online: {
      description: 'Usable; while no broker is up only by its endpoints.',
      on: { 'node.close': 'closing' },
    },
    closing: {
      description: 'Ends pipes by FIN where they are finished or idle, then attempts, brokers and the port.',
      entry: 'stopBrokers',
      invoke: { id: 'closeAll', src: 'closeAll', onDone: 'closed', onError: 'closed' },
      after: { closeTimeout: 'closed' },
    },
    closed: { type: 'final', description: 'Nothing is left.' },
  },
})
