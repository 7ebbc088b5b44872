import { assign, fromPromise, setup } from 'xstate'
import { defaults } from '../../src/config/defaults.js'
import { toFailure, type Failure } from '../../src/errors/index.js'
import type {
  ConnectLinkInput, ConnectLinkOutput, SignallingContext, SignallingEvent, SignallingInput, SignallingPolicy, WatchLinkInput, WatchLinkOutput,
} from './signalling.types.js'

const { backoffMinMs, backoffMaxMs, connectTimeoutMs } = defaults.signalling

/** The numbers of `defaults.signalling`. The connect actor has the time-out; the machine's own limit is a second one behind it. */
export const defaultSignallingPolicy: SignallingPolicy = { backoffMinMs, backoffMaxMs, connectLimitMs: 2 * connectTimeoutMs }

/** Where no actor rolled the dice (a defect, or the machine's own limit): the whole ceiling. */
const longest = 1

const silence: Failure = { code: 'ERR_BROKER_TIMEOUT', message: 'the connect did not end in time' }

/**
 * Keeps one broker connected: connects, watches the link, and after each failure waits with full jitter between the
 * least wait and a ceiling that doubles. A root actor per broker; the actors come from `createSignallingActors`.
 */
export const signallingMachine = setup({
  types: {
    context: {} as SignallingContext,
    events: {} as SignallingEvent,
    input: {} as SignallingInput,
    children: {} as { connectLink: 'connectLink'; watchLink: 'watchLink' },
  },
  actors: {
    connectLink: fromPromise<ConnectLinkOutput, ConnectLinkInput>(() => Promise.reject(new Error('connectLink is not provided'))),
    watchLink: fromPromise<WatchLinkOutput, WatchLinkInput>(() => Promise.reject(new Error('watchLink is not provided'))),
  },
  actions: {
    recordLink: assign((_, link: Extract<ConnectLinkOutput, { ok: true }>) => ({
      linkId: link.linkId,
      version: link.version,
      rttMs: link.rttMs,
      attempts: 0,
      lastFailure: undefined,
      capMs: undefined,
    })),
    recordFailure: assign(({ context }, { failure, jitter }: { failure: Failure; jitter: number }) => {
      const attempts = context.attempts + 1
      return { linkId: undefined, rttMs: undefined, attempts, lastFailure: failure, waitMs: backoffMs(context, attempts, jitter) }
    }),
    forgetLink: assign({ linkId: undefined, rttMs: undefined }),
    forgetAttempts: assign({ attempts: 0 }),
    capWait: assign(({ context }, { capMs }: { capMs: number }) => ({ attempts: 0, capMs, waitMs: Math.min(context.waitMs, capMs) })),
  },
  guards: {
    isConnected: (_, output: ConnectLinkOutput) => output.ok,
    isWaitLonger: ({ context }, { capMs }: { capMs: number }) => context.waitMs > capMs,
  },
  delays: {
    backoff: ({ context }) => context.waitMs,
    connectLimit: ({ context }) => context.policy.connectLimitMs,
  },
}).createMachine({
  id: 'signalling',
  description: 'Keeps one broker connected.',
  context: ({ input }) => ({
    brokerId: input.brokerId,
    policy: input.policy,
    linkId: undefined,
    version: undefined,
    rttMs: undefined,
    attempts: 0,
    lastFailure: undefined,
    waitMs: 0,
    capMs: undefined,
  }),
  initial: 'connecting',
  on: { 'broker.stop': '.stopped' },
  states: {
    connecting: {
      description: 'Opens a connection to the broker and says CONNECT, MQTT 5 first.',
      invoke: {
        id: 'connectLink',
        src: 'connectLink',
        input: ({ context }) => ({ brokerId: context.brokerId }),
        onDone: [
          {
            guard: { type: 'isConnected', params: ({ event }) => event.output },
            target: 'online',
            actions: { type: 'recordLink', params: ({ event }) => event.output as Extract<ConnectLinkOutput, { ok: true }> },
          },
          {
            target: 'backingOff',
            actions: { type: 'recordFailure', params: ({ event }) => event.output as Extract<ConnectLinkOutput, { ok: false }> },
          },
        ],
        onError: { target: 'backingOff', actions: { type: 'recordFailure', params: ({ event }) => ({ failure: toFailure(event.error), jitter: longest }) } },
      },
      after: { connectLimit: { target: 'backingOff', actions: { type: 'recordFailure', params: { failure: silence, jitter: longest } } } },
      on: {
        'broker.retry': { target: 'connecting', reenter: true, actions: 'forgetAttempts' },
        'broker.hurry': { actions: { type: 'capWait', params: ({ event }) => ({ capMs: event.capMs }) } },
      },
    },
    online: {
      description: 'Connected: messages can be published and received until the link ends.',
      invoke: {
        id: 'watchLink',
        src: 'watchLink',
        input: ({ context }) => ({ linkId: context.linkId ?? '' }),
        onDone: { target: 'backingOff', actions: { type: 'recordFailure', params: ({ event }) => event.output } },
        onError: { target: 'backingOff', actions: { type: 'recordFailure', params: ({ event }) => ({ failure: toFailure(event.error), jitter: longest }) } },
      },
      exit: 'forgetLink',
      on: { 'broker.retry': { target: 'connecting' } },
    },
    backingOff: {
      description: 'Waits before the next try: a random part of a ceiling that doubles with each failure.',
      after: { backoff: { target: 'connecting' } },
      on: {
        'broker.retry': { target: 'connecting', actions: 'forgetAttempts' },
        'broker.hurry': [
          {
            guard: { type: 'isWaitLonger', params: ({ event }) => ({ capMs: event.capMs }) },
            target: 'backingOff',
            reenter: true,
            actions: { type: 'capWait', params: ({ event }) => ({ capMs: event.capMs }) },
          },
          { actions: { type: 'capWait', params: ({ event }) => ({ capMs: event.capMs }) } },
        ],
      },
    },
    stopped: {
      description: 'Was told to stop; its link is closed.',
      type: 'final',
    },
  },
})

/** Full jitter: uniform between the least wait and the ceiling, which is twice the least after the first failure. */
function backoffMs({ policy, capMs }: SignallingContext, attempts: number, jitter: number): number {
  const ceilingMs = Math.min(policy.backoffMaxMs, policy.backoffMinMs * 2 ** attempts)
  return Math.min(policy.backoffMinMs + jitter * (ceilingMs - policy.backoffMinMs), capMs ?? Infinity)
}
