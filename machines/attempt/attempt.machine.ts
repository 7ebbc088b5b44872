import { and } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { attemptSetup } from './attempt.setup.js'
import type { AttemptContext, AttemptOutput } from './attempt.types.js'
import { electionRegion } from './election.region.js'
import { failureOf } from './failure.js'
import { initialContext } from './initial-context.js'
import { signallingRegion } from './signalling.region.js'

const timedOut: Failure = { code: 'ERR_TIMEOUT', message: 'the attempt ran out of time' }
const unresolved: Failure = { code: 'ERR_INTERNAL', message: 'resolving the peer failed' }

/** The channels that `endChannels` ends: all but the elected one. */
const others = ({ context: { sessionKey, elected } }: { readonly context: AttemptContext }) => ({ sessionKey, exceptId: elected?.channelId })

/** One try to get an opened channel to a peer: signalling in parallel with the strategies; the initiator elects. */
export const attemptMachine = attemptSetup.createMachine({
  id: 'attempt',
  description: 'One try to get an opened channel to a peer.',
  context: ({ input }) => initialContext(input),
  output: ({ context }): AttemptOutput => {
    const candidate = context.elected && context.candidates[context.elected.candidateId]
    if (context.elected === undefined || candidate === undefined) return { ok: false, failure: failureOf(context) }
    return { ok: true, peerId: context.known?.peerId ?? '', channelId: context.elected.channelId, candidate, target: context.known }
  },
  initial: 'starting',
  on: {
    'candidate.changed': { actions: 'noteCandidate' },
    'punch.gathered': { actions: 'notePunch' },
    'relay.gathered': { actions: 'noteRelay' },
    'attempt.cancel': { target: '.cancelled', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
  },
  after: {
    relayGrace: { actions: 'endRelayGrace' },
    attemptTimeout: { target: '.failed', actions: { type: 'noteFailure', params: { failure: timedOut } } },
  },
  states: {
    starting: {
      description: 'An address or an offer tells who the peer is; an id has to be looked up.',
      always: [{ guard: 'isPeerKnown', target: 'connecting' }, { target: 'resolving' }],
    },
    resolving: {
      description: 'Reads the address, or asks the brokers for it.',
      invoke: {
        id: 'resolve',
        src: 'resolvePeer',
        input: ({ context }) => ({ sessionKey: context.sessionKey }),
        onDone: [
          {
            guard: { type: 'isResolved', params: ({ event }) => ({ output: event.output }) },
            target: 'connecting',
            actions: { type: 'noteTarget', params: ({ event }) => ({ output: event.output }) },
          },
          { target: 'failed', actions: { type: 'noteTarget', params: ({ event }) => ({ output: event.output }) } },
        ],
        onError: { target: 'failed', actions: { type: 'noteFailure', params: { failure: unresolved } } },
      },
    },
    connecting: {
      description: 'Strategies look for channels while the offer travels; the initiator opens the first that is ready.',
      type: 'parallel',
      entry: 'startStrategies',
      exit: 'stopStrategies',
      always: [
        { guard: and(['isExhausted', 'hasRoundLeft']), target: 'connecting', reenter: true, actions: 'nextRound' },
        { guard: 'isExhausted', target: 'failed' },
      ],
      on: {
        'channel.secured': { actions: ['noteCandidate', 'noteReady'] },
        'channel.arrived': { actions: ['noteCandidate', 'noteReady'] },
        'strategy.exhausted': { actions: 'noteExhausted' },
        'answer.sent': { actions: 'passToPunch' },
        'peer.updated': { actions: ['noteUpdate', 'passToPunch', 'passToRelay'] },
        'peer.committed': { actions: 'passToPunch' },
        'xstate.error.actor.*': { actions: 'noteBroken' },
        'offer.repeated': { target: 'connecting', reenter: true, actions: 'noteRepeatedOffer' },
      },
      states: { signalling: signallingRegion, election: electionRegion },
    },
    connected: { type: 'final', description: 'A channel is open; the others are ended.', entry: { type: 'endChannels', params: others } },
    refused: { type: 'final', description: 'The peer refused the pipe.', entry: ['settle', { type: 'endChannels', params: others }] },
    failed: { type: 'final', description: 'Every strategy is exhausted, or time ran out.', entry: ['settle', { type: 'endChannels', params: others }] },
    cancelled: { type: 'final', description: 'The user’s signal ended the attempt.', entry: ['settle', { type: 'endChannels', params: others }] },
  },
})
