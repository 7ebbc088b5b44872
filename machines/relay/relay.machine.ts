import { relaySetup, isSpent } from './relay.setup.js'

/** Both sides meet at a relay: one has a relayed endpoint there, the other connects to it (docs/decisions/0017). */
export const relayMachine = relaySetup.createMachine({
  id: 'relay',
  description: 'Both sides meet at a TURN server.',
  context: ({ input }) => ({
    ...input, own: [], hasAsked: false, isAllocating: false, failure: undefined, peer: input.endpoints, takesPart: true, planned: [], hasPlanned: false, live: {}, failed: [],
    hasHandedOver: false,
    hasNews: input.role === 'responder' && (input.endpoints?.relay.length ?? 0) > 0, isHeld: false,
  }),
  output: { strategy: 'relay' },
  invoke: {
    id: 'relays',
    src: 'relays',
    input: ({ context: { peerId, sessionKey, role } }) => ({ peerId, sessionKey, role }),
    onError: '.exhausted',
  },
  initial: 'active',
  on: {
    'relay.allocated': { actions: ['noteRelay', 'tellRelays', 'permit'] },
    'relay.unavailable': { actions: ['noteNoRelay', 'tellRelays'] },
    'relay.lost': { actions: ['noteLost', 'tellRelays'] },
    'peer.answered': { actions: ['noteAnswer', 'permit'] },
    'peer.updated': { actions: ['noteUpdate', 'permit'] },
    'candidate.changed': { actions: 'passOn' },
    'candidate.secured': { actions: ['noteEnd', 'handOver'] },
    'candidate.failed': { actions: 'noteEnd' },
    'xstate.error.actor.*': { actions: 'noteEnd' },
    'election.started': { actions: 'noteElection' },
    'election.failed': { actions: 'noteElectionOver' },
  },
  states: {
    active: {
      description: 'A relayed endpoint of ours comes beside what the peer offers.',
      type: 'parallel',
      states: {
        allocation: {
          description: 'Whether there is a relayed endpoint of ours.',
          initial: 'choosing',
          states: {
            choosing: {
              description: 'A responder that was told a relay needs none of its own.',
              always: [{ guard: 'isTold', target: 'spared', actions: 'tellRelays' }, { target: 'allocating' }],
            },
            spared: {
              description: 'The peer’s relay is tried first; ours is asked when that leads nowhere, or takes long.',
              always: { guard: 'needsOwn', target: 'allocating' },
              after: { patience: 'allocating' },
            },
            allocating: {
              description: 'Our servers are asked in the order of the list; the first that answers serves.',
              entry: 'allocate',
              always: { guard: 'isAnswered', target: 'settled' },
              after: { allocateTimeout: { target: 'settled', actions: ['noteSilence', 'tellRelays'] } },
            },
            settled: { description: 'There is one, or none to be had.' },
          },
        },
        ways: {
          description: 'The ways from relay to peer.',
          initial: 'choosing',
          states: {
            choosing: {
              description: 'The responder knows from the offer where the initiator is.',
              always: [{ guard: 'isInitiator', target: 'awaitingAnswer' }, { target: 'relaying' }],
            },
            awaitingAnswer: {
              description: 'Our relayed endpoint goes with the offer or an update; the answer says where the peer is.',
              on: {
                'peer.answered': { target: 'relaying', actions: ['noteAnswer', 'permit'] },
                'signalling.ended': '#relay.exhausted',
              },
              after: { answerTimeout: '#relay.exhausted' },
            },
            relaying: {
              description: 'Every way is tried: the peer comes to our relayed endpoint, we dial the peer’s, our relay connects to it.',
              initial: 'reaching',
              after: { relayTimeout: '#relay.exhausted' },
              states: {
                reaching: {
                  description: 'Candidates are under way, or a relay of ours is.',
                  always: [
                    { guard: 'hasNews', target: 'planning' },
                    { guard: isSpent, target: '#relay.exhausted' },
                    { guard: 'isIdle', target: 'awaitingRelay' },
                  ],
                },
                planning: {
                  description: 'Pairs our relays with the peer’s, under the safety rules.',
                  entry: 'notePlanning',
                  invoke: {
                    id: 'plan',
                    src: 'planWays',
                    input: ({ context: { role, peerId, beside, own, peer, failed, planned } }) => ({ role, peerId, beside, own, peer, failed, planned }),
                    onDone: { target: 'reaching', actions: { type: 'start', params: ({ event }) => ({ ways: event.output }) } },
                    onError: { target: 'reaching', actions: 'noteNoPlan' },
                  },
                  on: { 'election.started': { target: 'reaching', actions: ['noteElection', 'noteNews'] } },
                  after: { planTimeout: { target: 'reaching', actions: 'noteNoPlan' } },
                },
                awaitingRelay: {
                  description: 'We have no relay and the peer has stated none yet; an update may.',
                  always: { guard: 'hasNews', target: 'reaching' },
                  after: { updateTimeout: '#relay.exhausted' },
                },
              },
            },
          },
        },
      },
    },
    exhausted: { type: 'final', description: 'No way by a relay is left, or there is no relay.', entry: 'tellExhausted' },
  },
})
