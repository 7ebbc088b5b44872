import { and, not } from 'xstate'
import { punchSetup } from './punch.setup.js'

/** Both sides connect to each other at one moment, each where the other can be hit (docs/decisions/0015). */
export const punchMachine = punchSetup.createMachine({
  id: 'punch',
  description: 'Both sides connect to each other’s mappings at one moment.',
  context: ({ input }) => ({
    ...input, round: 0, sites: [], peer: input.endpoints?.punch ?? [], peerRound: 0, isSameMachine: input.endpoints?.isSameMachine ?? false,
    momentMs: 0, isMomentPast: false, roundTripMs: 0, planned: [], hasFired: false, live: [], hasNews: false, isHeld: false,
  }),
  output: { strategy: 'punch' },
  invoke: {
    id: 'ports',
    src: 'ports',
    input: ({ context: { peerId, sessionKey } }) => ({ peerId, sessionKey }),
    onError: '.exhausted',
  },
  initial: 'gathering',
  on: {
    'candidate.changed': { actions: 'passOn' },
    'candidate.secured': { actions: ['noteEnd', 'handOver'] },
    'candidate.failed': { actions: 'noteEnd' },
    'xstate.error.actor.*': { actions: 'noteEnd' },
    'peer.answered': { actions: 'noteAnswer' },
    'peer.updated': { actions: 'noteUpdate' },
    'election.started': { actions: 'noteElection' },
    'election.failed': { actions: 'noteElectionOver' },
    // what comes too late for its round is an update of ours
    'sites.gathered': { actions: ['noteSites', 'tellSites'] },
  },
  states: {
    gathering: {
      description: 'Takes a port per interface and family, with the mapping that STUN told, for the offer or the answer.',
      entry: 'gather',
      on: { 'sites.gathered': { target: 'choosing', actions: ['noteSites', 'tellSites'] } },
      after: { gatherTimeout: { target: 'choosing', actions: 'tellSites' } },
    },
    choosing: {
      description: 'The initiator’s sites go with its offer, the responder’s with its answer.',
      always: [{ guard: 'isInitiator', target: 'awaitingAnswer' }, { target: 'offering' }],
    },
    offering: {
      description: 'Our answer is on its way out; the moment lies half of both broker round trips behind it.',
      on: {
        'answer.sent': { target: 'trying', actions: 'noteAlignment' },
        'signalling.ended': 'exhausted',
      },
      after: { answerTimeout: 'exhausted' },
    },
    awaitingAnswer: {
      description: 'The answer says where the peer can be hit; it is also the moment.',
      always: { guard: 'isMomentPast', target: 'trying' },
      on: { 'signalling.ended': 'exhausted' },
      after: { answerTimeout: 'exhausted' },
    },
    trying: {
      description: 'Round after round, while there is time.',
      after: { punchTimeout: 'exhausted' },
      initial: 'deciding',
      states: {
        deciding: {
          description: 'Mappings that both sides keep are known; where a side maps per destination, its next one has to be foretold.',
          always: [
            { guard: not('areMappingsKnown'), target: 'awaitingMappings' },
            { guard: and(['needsSampling', 'mayGoOn']), target: 'agreed.updatingMappings', actions: 'commit' },
            { guard: and(['needsSampling', not('isInitiator')]), target: 'awaitingCommit' },
            { guard: not('isHeld'), target: 'agreed.synchronising' },
          ],
        },
        awaitingMappings: {
          description: 'A side has stated nothing yet: its ports come late, and then as an update.',
          always: { guard: 'areMappingsKnown', target: 'deciding' },
          after: { updateTimeout: '#punch.exhausted' },
        },
        awaitingCommit: {
          description: 'The initiator names the moment; until then nothing is sampled, for samples age.',
          after: { updateTimeout: 'agreed.synchronising' },
        },
        agreed: {
          description: 'The moment of this round is set.',
          after: { moment: { actions: 'noteMoment' }, lateness: 'punching' },
          initial: 'synchronising',
          states: {
            updatingMappings: {
              description: 'Samples where the next mapping will be, right before it is needed, and tells the peer.',
              entry: 'gather',
              on: { 'sites.gathered': { guard: 'isForRound', target: 'synchronising', actions: ['noteSites', 'tellSites'] } },
            },
            synchronising: {
              description: 'Waits for the moment and for what the peer sampled.',
              always: { guard: and(['isMomentPast', 'hasPeerAim']), target: '#punch.trying.punching' },
            },
          },
        },
        punching: {
          description: 'SYNs are out. Pending ones are left alone; what was refused goes out again by itself.',
          initial: 'firing',
          // the time of a round that an election took is given back
          on: { 'election.failed': { target: 'punching', reenter: true, actions: 'noteElectionOver' } },
          after: { roundTimeout: { guard: 'mayGoOn', target: 'agreed.updatingMappings', actions: 'commit' } },
          states: {
            aiming: {
              description: 'Pairs our sites with the peer’s, under the safety rules.',
              entry: 'noteAiming',
              invoke: {
                id: 'aim',
                src: 'takeAim',
                input: ({ context: { role, peerId, attemptId, sites, peer, isSameMachine, beside, round, planned } }) => ({ role, peerId, attemptId, sites, peer, isSameMachine, beside, round, planned }),
                onDone: {
                  target: 'firing',
                  actions: [{ type: 'noteAim', params: ({ event }) => ({ aim: event.output }) }, { type: 'fire', params: ({ event }) => ({ aim: event.output }) }],
                },
                onError: 'firing',
              },
              on: { 'election.started': { target: 'firing', actions: ['noteElection', 'noteNews'] } },
              after: { aimTimeout: 'firing' },
            },
            firing: {
              description: 'Waits for what comes up; new mappings of the peer’s are shot at as they come.',
              always: [
                { guard: 'hasNews', target: 'aiming' },
                { guard: and(['isIdle', not('hasFired')]), target: '#punch.exhausted' },
                { guard: and(['isIdle', not('hasRoundLeft')]), target: '#punch.exhausted' },
              ],
            },
          },
        },
      },
      on: { 'peer.committed': { guard: 'isNextRound', target: '.agreed.updatingMappings', actions: 'noteCommit' } },
    },
    exhausted: { type: 'final', description: 'No SYN came through in time, or there was nobody to shoot at.', entry: 'tellExhausted' },
  },
})
