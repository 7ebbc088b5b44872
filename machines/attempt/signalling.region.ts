import { and, not } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import { attemptSetup } from './attempt.setup.js'
import { strategiesOf, takenPartIn } from './rounds.js'

const broken: Failure = { code: 'ERR_INTERNAL', message: 'signalling failed' }
const slowBrokers: Failure = { code: 'ERR_BROKER_TIMEOUT', message: 'no broker took the offer in time' }

/** Beside the strategies: the initiator's offer and what comes back, the responder's answer. */
export const signallingRegion = attemptSetup.createStateConfig({
  description: 'Asks the peer by its brokers, or answers it.',
  initial: 'choosing',
  states: {
    choosing: {
      description: 'The responder answers, the initiator offers, after direct dials unless an offer led to the last pipe; without brokers, or after a round in vain, there is nobody to ask.',
      always: [
        { guard: not('isInitiator'), target: 'preparing' },
        { guard: and(['isWorthAsking', 'isDirectOut', not('isOfferPromising')]), target: 'holding' },
        { guard: 'isWorthAsking', target: 'preparing' },
        { target: 'silent' },
      ],
    },
    holding: {
      description: 'The first dials are out; on a near path they are faster than any message.',
      after: { offerGrace: [{ guard: 'isDirectComingUp', target: 'heldBack' }, { target: 'preparing' }] },
    },
    heldBack: {
      description: 'A direct channel is in TLS: the offer waits until it fails, or not longer than the hold.',
      always: { guard: not('isDirectComingUp'), target: 'preparing' },
      after: { offerHold: 'preparing' },
    },
    preparing: {
      description: 'Offer and answer say where a punch can hit us, and where nothing else is tried a relay: they are waited for, mostly not at all.',
      entry: 'startDeferred',
      always: [{ guard: and(['isGathered', 'isInitiator']), target: 'offering' }, { guard: 'isGathered', target: 'answering' }],
      after: { gatherTimeout: [{ guard: 'isInitiator', target: 'offering' }, { target: 'answering' }] },
    },
    offering: {
      description: 'The offer goes to the homes of the peer and what comes back is heard, as long as the attempt runs.',
      invoke: {
        id: 'exchange',
        src: 'exchange',
        input: ({ context }) => ({
          peerId: context.known?.peerId ?? '', sessionKey: context.sessionKey, sessionId: context.sessionId, attemptId: context.attemptId, protocol: context.protocol,
          established: context.reason !== 'dial',
          strategies: strategiesOf(context), punch: context.punch ?? [], relay: context.relay ?? [], brokers: context.known?.brokers ?? [],
        }),
        onError: { target: 'silent', actions: { type: 'noteSignallingFailure', params: { failure: broken } } },
      },
      on: {
        'exchange.failed': { target: 'silent', actions: { type: 'noteSignallingFailure', params: ({ event }) => ({ failure: event.failure }) } },
        'exchange.refused': { target: '#attempt.refused', actions: { type: 'noteFailure', params: ({ event }) => ({ failure: event.failure }) } },
        'exchange.answered': { target: '.answered', actions: ['noteAnswered', 'passAnswerOn'] },
        'punch.gathered': { actions: ['notePunch', { type: 'sendUpdate', params: { by: 'exchange' } }] },
        'relay.gathered': { actions: [{ type: 'stateRelay', params: { by: 'exchange' } }, 'noteRelay'] },
        'punch.committed': { actions: 'sendCommit' },
      },
      initial: 'publishing',
      states: {
        publishing: {
          description: 'Waits for the first end-to-end acknowledgement.',
          on: {
            'exchange.published': { actions: 'notePublished' },
            'exchange.acknowledged': { target: 'awaitingAnswer', actions: 'noteAcknowledged' },
          },
          after: {
            ackTimeout: [
              { guard: 'isPublished', target: '#attempt.connecting.signalling.silent' },
              { target: '#attempt.connecting.signalling.silent', actions: { type: 'noteSignallingFailure', params: { failure: slowBrokers } } },
            ],
          },
        },
        awaitingAnswer: {
          description: 'The peer is alive and thinks.',
          after: { answerTimeout: '#attempt.connecting.signalling.silent' },
        },
        answered: { description: 'The peer’s endpoints are known; it dials us where it can.' },
      },
    },
    answering: {
      description: 'The answer goes out on the broker of the offer, later on the others.',
      invoke: {
        id: 'answer',
        src: 'answer',
        input: ({ context }) => ({ offerId: context.offerId ?? '', strategies: takenPartIn(context), punch: context.punch ?? [], relay: context.relay ?? [] }),
        onError: { target: 'silent', actions: { type: 'noteSignallingFailure', params: { failure: broken } } },
      },
      on: {
        'punch.gathered': { actions: ['notePunch', { type: 'sendUpdate', params: { by: 'answer' } }] },
        'relay.gathered': { actions: [{ type: 'stateRelay', params: { by: 'answer' } }, 'noteRelay'] },
      },
    },
    silent: { description: 'No answer will come.', entry: ['noteGaveUp', 'dropDeferred', 'tellSignallingEnded'] },
  },
})
