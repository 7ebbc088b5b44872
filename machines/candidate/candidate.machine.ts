import { assign, sendParent, setup } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { CandidateRecord } from '../shared/candidate.types.js'
import type { CandidateContext, CandidateEvent, CandidateInput, ReachPeerLogic } from './candidate.types.js'

/** The actor has the time-outs; the machine's own limits are a second line behind them. */
const behind = 2
const defect: Failure = { code: 'ERR_INTERNAL', message: 'the actor of the candidate failed' }
const endlessDial: Failure = { code: 'ERR_DIAL_TIMEOUT', message: 'the dial did not end in time' }
const endlessSecuring: Failure = { code: 'ERR_SECURE_TIMEOUT', message: 'securing did not end in time' }

/** One pair of endpoints: dialled, then secured. Tells its strategy each step. */
export const candidateMachine = setup({
  types: {
    context: {} as CandidateContext,
    events: {} as CandidateEvent,
    input: {} as CandidateInput,
    children: {} as { reach: 'reachPeer' },
  },
  actors: {} as { reachPeer: ReachPeerLogic },
  delays: {
    dialLimit: ({ context }) => behind * context.policy.dial.timeoutMs,
    secureLimit: ({ context }) => behind * context.policy.dial.secureTimeoutMs,
  },
  actions: {
    noteStart: assign({ record: ({ context, event }) => (event.type === 'dial.slow' ? { ...context.record, local: event.local, startedAtMs: event.startedAtMs, updatedAtMs: event.startedAtMs } : context.record) }),
    noteConnection: assign(({ context, event }) =>
      event.type === 'dial.connected'
        ? { record: { ...context.record, status: 'securing' as const, local: event.local, remote: event.remote ?? context.record.remote, rttMs: event.rttMs, startedAtMs: event.startedAtMs, updatedAtMs: event.atMs } }
        : {}),
    noteChannel: assign(({ context, event }) =>
      event.type === 'secure.done'
        ? { channelId: event.channelId, record: { ...context.record, status: 'secured' as const, updatedAtMs: event.atMs, ...(event.rttMs !== undefined && { rttMs: event.rttMs }) } }
        : {}),
    noteFailure: assign({
      record: ({ context, event }): CandidateRecord =>
        event.type === 'dial.failed' || event.type === 'secure.failed'
          ? { ...context.record, status: 'failed', error: event.failure, updatedAtMs: event.atMs, ...(event.type === 'dial.failed' && { local: event.local, startedAtMs: event.startedAtMs }) }
          : { ...context.record, status: 'failed', error: defect },
    }),
    noteSilence: assign({ record: ({ context }, { failure }: { failure: Failure }): CandidateRecord => ({ ...context.record, status: 'failed', error: failure }) }),
    tell: sendParent(({ context }) => ({ type: 'candidate.changed', candidate: context.record })),
    handOver: sendParent(({ context }) => ({ type: 'candidate.secured', channelId: context.channelId, candidate: context.record })),
    giveUp: sendParent(({ context }) => ({ type: 'candidate.failed', candidate: context.record })),
  },
}).createMachine({
  id: 'candidate',
  description: 'One pair of endpoints that may lead to the peer.',
  context: ({ input }) => ({
    ...input,
    record: { ...input.candidate, status: 'dialling', startedAtMs: 0, updatedAtMs: 0 },
    channelId: undefined,
  }),
  invoke: {
    id: 'reach',
    src: 'reachPeer',
    input: ({ context: { candidate, volley, relay, peerId, role, sessionKey, sessionId, attemptId, policy } }) =>
      ({ candidate, peerId, role, sessionKey, sessionId, attemptId, timeoutMs: policy.dial.timeoutMs, ...(volley !== undefined && { volley }), ...(relay !== undefined && { relay }) }),
    onError: { target: '.failed', actions: 'noteFailure' },
  },
  initial: 'dialling',
  states: {
    dialling: {
      description: 'Waits for the TCP connection; the dial has its own time limit.',
      on: {
        'dial.slow': { actions: ['noteStart', 'tell'] },
        'dial.connected': { target: 'securing', actions: 'noteConnection' },
        'dial.failed': { target: 'failed', actions: 'noteFailure' },
      },
      after: { dialLimit: { target: 'failed', actions: { type: 'noteSilence', params: { failure: endlessDial } } } },
    },
    securing: {
      description: 'Proves both keys by mutual TLS and says HELLO; silence is cut off by the time limit of securing.',
      entry: 'tell',
      on: {
        'secure.done': { target: 'secured', actions: 'noteChannel' },
        'secure.failed': { target: 'failed', actions: 'noteFailure' },
      },
      after: { secureLimit: { target: 'failed', actions: { type: 'noteSilence', params: { failure: endlessSecuring } } } },
    },
    secured: { type: 'final', description: 'A channel to the right peer is ready.', entry: 'handOver' },
    failed: { type: 'final', description: 'This pair of endpoints leads nowhere.', entry: ['tell', 'giveUp'] },
  },
})
