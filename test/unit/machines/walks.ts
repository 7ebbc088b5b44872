import { attemptMachine } from '../../../machines/attempt/attempt.machine.js'
import type { AttemptContext, AttemptInput } from '../../../machines/attempt/attempt.types.js'
import { candidateMachine } from '../../../machines/candidate/candidate.machine.js'
import { connectionMachine } from '../../../machines/connection/connection.machine.js'
import type { ConnectionContext } from '../../../machines/connection/connection.types.js'
import type { DialContext } from '../../../machines/dial/dial.types.js'
import { directMachine } from '../../../machines/direct/direct.machine.js'
import { nodeMachine } from '../../../machines/node/node.machine.js'
import type { PipeSessionContext } from '../../../machines/pipe-session/pipe-session.types.js'
import { pipeSessionMachine } from '../../../machines/pipe-session/pipe-session.machine.js'
import { punchMachine } from '../../../machines/punch/punch.machine.js'
import type { PunchContext } from '../../../machines/punch/punch.types.js'
import { relayMachine } from '../../../machines/relay/relay.machine.js'
import type { RelayContext } from '../../../machines/relay/relay.types.js'
import { reverseMachine } from '../../../machines/reverse/reverse.machine.js'
import { searchMachine } from '../../../machines/search/search.machine.js'
import {
  attemptInput, cancellation, candidate, counting, endpoints, failure, keeping, ownRelay, peerId, policy, punchRecord, reach, record, refusal, relayRecord, responderInput, site, target, volley,
} from '../../support/machines/samples.js'
import type { Walk } from '../../support/machines/walk.js'

/** A walk, the names of the machine's actors, and where it may stay. */
export interface NamedWalk extends Walk {
  readonly name: string
  readonly promises: readonly string[]
  readonly callbacks: readonly string[]
  readonly actions?: readonly string[]
  /** Actor by the id it is invoked with, where that differs. */
  readonly sources?: Readonly<Record<string, string>>
  readonly outcomes: readonly string[]
  /** States, as JSON, that no time-out ends: something else always does. */
  readonly resting: readonly string[]
}

const node: NamedWalk = {
  name: 'node',
  machine: nodeMachine,
  input: { openTimeoutMs: 10_000, startupWaitMs: 3_000, closeTimeoutMs: 4_000 },
  promises: ['openPort', 'closeAll'],
  callbacks: ['serveBrokers'],
  outcomes: ['closed'],
  resting: ['"online"'],
  facts: ({ hasBroker, failure: known }: { hasBroker: boolean; failure: unknown }) => [hasBroker, known !== undefined],
  samples: {
    'done openPort': [{ ok: true, listenPort: 1 }, { ok: false, failure: { code: 'ERR_PORT_IN_USE', message: 'taken' } }],
    'done closeAll': [{}],
    'broker.up': [{}],
    'broker.down': [{}],
    'node.close': [{}],
    'error *': [{ id: 'serveBrokers', actorId: 'serveBrokers' }],
  },
}

const candidateWalk: NamedWalk = {
  name: 'candidate',
  machine: candidateMachine,
  input: { candidate: candidate('direct-1'), peerId, role: 'initiator', sessionKey: 'k', sessionId: '1', attemptId: '2', policy },
  promises: [],
  callbacks: ['reachPeer'],
  outcomes: ['secured', 'failed'],
  resting: [],
  facts: ({ record: { status, error, startedAtMs } }: { record: ReturnType<typeof record> }) => [status, error?.code, startedAtMs],
  samples: {
    'dial.slow': [{ local: '', startedAtMs: 1 }],
    'dial.connected': [{ startedAtMs: 1, local: '192.0.2.9:1', atMs: 2, rttMs: 1 }],
    'dial.failed': [{ local: '', startedAtMs: 1, failure, atMs: 2 }],
    'secure.done': [{ channelId: 'channel-1', atMs: 3 }],
    'secure.failed': [{ failure: { code: 'ERR_PEER_KEY_MISMATCH', message: 'another key' }, atMs: 3 }],
  },
}

const pipeSession: NamedWalk = {
  name: 'pipeSession',
  machine: pipeSessionMachine,
  input: { sessionKey: 'k', moveTimeoutMs: 1_000, suspendMs: 60_000, closedMs: 10_000 },
  promises: ['acceptOpen'],
  callbacks: ['watchSession'],
  actions: ['closeSession'],
  sources: { accept: 'acceptOpen' },
  outcomes: ['closed'],
  resting: ['"open"', '"draining"'],
  facts: ({ hasPeerEnded, path, failure: known }: PipeSessionContext) => [hasPeerEnded, path, known?.code],
  samples: {
    'peer.ended': [{}],
    'session.finished': [{}],
    'session.suspected': [{}],
    'session.trusted': [{}],
    'session.moved': [{}],
    'session.suspended': [{ failure: { code: 'ERR_CONNECTION_LOST', message: 'broke' }, isClosedByPeer: false }],
    'session.giveUp': [{ failure: { code: 'ERR_SESSION_UNKNOWN', message: 'restarted' } }],
    'path.wanted': [{ strategies: [] }],
    'session.lost': [{ failure: { code: 'ERR_CONNECTION_LOST', message: 'broke' } }],
    'session.aborted': [{ by: 'peer', failure: { code: 'ERR_PIPE_ABORTED', message: 'gave up' } }],
    'open.received': [{ channelId: 'channel-2' }],
    'done accept': [{ ok: true }, { ok: false, failure }],
  },
}

const strategySamples = {
  'peer.answered': [{ endpoints: endpoints(2), roundTripMs: 50 }],
  'signalling.ended': [{}],
  'election.started': [{}],
  'election.failed': [{}],
  'candidate.changed': [{ candidate: record('direct-1', 'securing') }],
  'candidate.secured': [{ channelId: 'channel-1', candidate: record('direct-1', 'secured') }],
  'candidate.failed': [{ candidate: record('direct-1', 'failed', { error: failure }) }],
  'done plan': [
    { candidates: [], skipped: [record('direct-9', 'skipped', { error: failure })], keys: [] },
    { candidates: [candidate('direct-1'), candidate('direct-2')], skipped: [], keys: ['1', '2'] },
  ],
  'error *': [{ id: 'direct-1', actorId: 'direct-1' }],
}

const dial = (name: string, machine: Walk['machine'], fields: object): NamedWalk => ({
  name,
  machine,
  input: {
    strategy: machine.id, role: 'initiator', peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: endpoints(1), beside: [], awaitsAnswer: true, policy, ...fields,
  },
  promises: ['planCandidates'],
  callbacks: ['candidate'],
  sources: { plan: 'planCandidates' },
  outcomes: ['exhausted'],
  resting: ['"racing"'], // its candidates have time-outs of their own, and they are silent here
  facts: ({ queue, live, awaitsAnswer, hasNews, isHeld, planned }: DialContext) => [queue.length > 0, live.length > 0, awaitsAnswer, hasNews, isHeld, planned.length > 0],
  samples: strategySamples,
})

/** `nat`: what the peer states of its own; by that its ports have to be foretold or not. */
const punch = (name: string, fields: object, nat = keeping): NamedWalk => ({
  name,
  machine: punchMachine,
  input: { strategy: 'punch', role: 'initiator', peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: endpoints(1), beside: [], awaitsAnswer: true, policy: oneCommit, ...fields },
  promises: ['takeAim'],
  callbacks: ['ports', 'candidate'],
  sources: { aim: 'takeAim' },
  outcomes: ['exhausted'],
  resting: [],
  facts: ({ round, sites, peer, peerRound, isMomentPast, hasFired, live, hasNews, isHeld }: PunchContext) =>
    [round, sites.length > 0, peer.length > 0, peerRound >= round, isMomentPast, hasFired, live.length > 0, hasNews, isHeld],
  samples: {
    'sites.gathered': [{ round: 0, sites: [site(1)] }, { round: 1, sites: [site(2)] }],
    'peer.answered': [{ endpoints: { ...endpoints(2), punch: [punchRecord(1, nat)] }, roundTripMs: 50 }, { endpoints: endpoints(2), roundTripMs: 50 }],
    'answer.sent': [{ alignMs: 40 }],
    'peer.updated': [{ round: 1, punch: [punchRecord(2, nat)] }],
    'peer.committed': [{ round: 1, inMs: 100 }],
    'signalling.ended': [{}],
    'election.started': [{}],
    'election.failed': [{}],
    'candidate.changed': [{ candidate: record('punch-1', 'securing') }],
    'candidate.secured': [{ channelId: 'channel-1', candidate: record('punch-1', 'secured') }],
    'candidate.failed': [{ candidate: record('punch-1', 'failed', { error: failure }) }],
    'done aim': [
      { volleys: [], skipped: [record('punch-9', 'skipped', { error: failure })], keys: ['9'] },
      { volleys: [{ candidate: candidate('punch-1'), volley: volley(1) }], skipped: [], keys: ['1'] },
    ],
    'error *': [{ id: 'punch-1', actorId: 'punch-1' }],
  },
})

/** `told`: relays the peer states from the start. */
const relay = (name: string, fields: object): NamedWalk => ({
  name,
  machine: relayMachine,
  input: { strategy: 'relay', role: 'initiator', peerId, sessionKey: 'k', sessionId: '1', attemptId: '2', endpoints: endpoints(1), beside: [], awaitsAnswer: true, policy, ...fields },
  promises: ['planWays'],
  callbacks: ['relays', 'candidate'],
  sources: { plan: 'planWays' },
  outcomes: ['exhausted'],
  resting: [],
  // after a channel was handed over the sample of the plan would start a candidate of the same id: relay.test.ts has that part
  facts: ({ own, hasAsked, isAllocating, peer, takesPart, hasPlanned, live, hasNews, isHeld }: RelayContext) =>
    [own.length > 0, hasAsked, isAllocating, (peer?.relay.length ?? 0) > 0, takesPart, hasPlanned, Object.keys(live).length > 0, hasNews, isHeld],
  samples: {
    'relay.allocated': [{ relay: ownRelay(1) }],
    'relay.unavailable': [{ failure: { code: 'ERR_RELAY_NONE', message: 'none' } }],
    'relay.lost': [{ allocationId: 'allocation-1', failure: { code: 'ERR_RELAY_LOST', message: 'gone' } }],
    'peer.answered': [{ endpoints: endpoints(2), roundTripMs: 50 }, { endpoints: { ...endpoints(2), relay: [relayRecord(1)] }, roundTripMs: 50 }, { endpoints: endpoints(2), roundTripMs: 50, strategies: [] }],
    'peer.updated': [{ round: 0, punch: [], relay: [relayRecord(2)] }],
    'signalling.ended': [{}],
    'election.started': [{}],
    'election.failed': [{}],
    'candidate.changed': [{ candidate: record('relay-1', 'securing') }],
    'candidate.secured': [{ channelId: 'channel-1', candidate: record('relay-1', 'secured') }],
    'candidate.failed': [{ candidate: record('relay-1', 'failed', { error: failure }) }],
    'done plan': [
      { candidates: [], skipped: [record('relay-9', 'skipped', { error: failure })], keys: ['9'] },
      { candidates: [{ candidate: candidate('relay-1'), relay: reach('dial'), key: '1' }], skipped: [], keys: ['1'] },
    ],
    'error *': [{ id: 'relay-1', actorId: 'relay-1' }],
  },
})

/** What offer and answer say, and one commit after it. */
const oneCommit = { ...policy, punch: { ...policy.punch, rounds: 1 } }

const attempt = (name: string, input: object): NamedWalk => ({
  name,
  machine: attemptMachine,
  input,
  promises: ['resolvePeer'],
  callbacks: ['exchange', 'answer', 'openChannel', 'direct', 'reverse', 'punch', 'relay'],
  actions: ['endChannels'],
  sources: { resolve: 'resolvePeer', open: 'openChannel' },
  outcomes: ['connected', 'refused', 'failed', 'cancelled'],
  resting: [],
  facts: ({ running, punch: ports, relay: relays, ready, electing, round, signalling, candidates, failure: known }: AttemptContext) =>
    [running, ports !== undefined, running.includes('relay') && relays !== undefined, Math.min(ready.length, 2), electing !== undefined, round, signalling.acknowledged, Object.values(candidates).some(({ status }) => status === 'securing'), known?.code],
  samples: {
    'done resolve': [{ ok: true, target: target() }, { ok: true, target: target(undefined, []) }, { ok: false, failure: { code: 'ERR_ADDRESS_INVALID', message: 'truncated' } }],
    'candidate.changed': [{ candidate: record('direct-1', 'securing') }, { candidate: record('direct-1', 'failed', { error: failure }) }],
    'channel.secured': [{ channelId: 'channel-1', candidate: record((input as AttemptInput).strategies.includes('direct') ? 'direct-1' : 'relay-1', 'secured') }],
    'channel.arrived': [{ channelId: 'channel-2', candidate: record('inbound-2', 'secured') }],
    'strategy.exhausted': [{ strategy: 'direct' }, { strategy: 'reverse' }, { strategy: 'punch' }, { strategy: 'relay' }],
    'punch.gathered': [{ round: 0, records: [punchRecord(1)] }],
    'relay.gathered': [{ records: [relayRecord(1)] }],
    'punch.committed': [{ round: 1, inMs: 100 }],
    'answer.sent': [{ alignMs: 40 }],
    'peer.updated': [{ round: 0, punch: [punchRecord(2)], relay: [] }],
    'peer.committed': [{ round: 1, inMs: 100 }],
    'exchange.published': [{}],
    'exchange.acknowledged': [{}],
    'exchange.answered': [{ endpoints: endpoints(2), roundTripMs: 50 }],
    'exchange.refused': [{ failure: refusal }],
    'exchange.failed': [{ failure: { code: 'ERR_BROKER_UNREACHABLE', message: 'down' } }],
    'open.accepted': [{}],
    'open.pending': [{}],
    'open.refused': [{ failure: refusal }],
    'open.lost': [{ failure: { code: 'ERR_CHANNEL_LOST', message: 'broke' } }],
    'offer.repeated': [{ offerId: 'offer-2', strategies: ['reverse'], target: target(endpoints(3), []) }],
    'attempt.cancel': [{ failure: cancellation }],
    'error *': [{ id: 'direct', actorId: 'direct' }],
  },
})

const offer = { offerId: 'offer-1', attemptId: '22', strategies: ['direct', 'reverse'], target: target(endpoints(1), []) }

const connection = (name: string, input: object): NamedWalk => ({
  name,
  machine: connectionMachine,
  input: { sessionKey: 'k', peerId, protocol: '', ...input },
  promises: ['authorize', 'refuse', 'acceptOpen', 'attempt', 'pipeSession', 'search'],
  callbacks: ['tellPending', 'quicken', 'askForPath'],
  actions: ['askForPath', 'endChannels'],
  sources: { accept: 'acceptOpen', ask: 'askForPath' },
  outcomes: ['closed', 'failed'],
  // the attempt has a limit of its own; a pipe stays open as long as it is used, and is recovered as long as its session waits
  resting: ['"attempting"', '{"connected":"steady"}', '{"recovering":"searching"}', '{"recovering":"awaitingPeer"}'],
  facts: ({ pendingChannelId, allowed, elected, isPinned, failure: known }: ConnectionContext) => [pendingChannelId, allowed, elected?.strategy, isPinned, known?.code],
  samples: {
    'open.received': [{ channelId: 'channel-1' }],
    'offer.received': [{ offer: { ...offer, offerId: 'offer-2' } }, { offer: { ...offer, strategies: [] } }],
    'channel.arrived': [{ channelId: 'channel-2', candidate: record('inbound-2', 'secured') }],
    'peer.cancelled': [{ failure: cancellation }],
    'connection.cancel': [{ failure: cancellation }],
    'session.suspected': [{}],
    'session.trusted': [{}],
    'session.moved': [{}],
    'session.suspended': [{ failure: { code: 'ERR_CONNECTION_LOST', message: 'broke' }, isClosedByPeer: false }],
    'path.wanted': [{ strategies: [] }, { strategies: ['reverse'] }],
    'path.requested': [{ strategies: ['direct'], requestId: 'repath-1' }],
    'network.changed': [{}],
    'done authorize': [{ ok: true, strategies: ['direct', 'reverse'] }, { ok: true, strategies: ['reverse'] }, { ok: true, strategies: [] }, { ok: false, failure: refusal }],
    'done attempt': [{ ok: true, peerId, channelId: 'channel-1', candidate: record('direct-1', 'elected') }, { ok: false, failure }],
    'done search': [{ ok: true, peerId, channelId: 'channel-1', candidate: record('direct-1', 'elected') }, { ok: false, failure }, { ok: false, failure: { code: 'ERR_SESSION_UNKNOWN', message: 'restarted' } }],
    'done accept': [{ ok: true }, { ok: false, failure: { code: 'ERR_CHANNEL_LOST', message: 'gone' } }, { ok: false, failure: { code: 'ERR_BUSY', message: 'busy' } }],
    'done pipeSession': [{ failure: undefined }, { failure: { code: 'ERR_CONNECTION_LOST', message: 'broke' } }],
    'done refuse': [{}],
  },
})

const search = (name: string, attempt: AttemptInput): NamedWalk => ({
  name,
  machine: searchMachine,
  input: { attempt, reason: 'recovery', strategies: ['direct'], target: target() },
  promises: ['planPath', 'attempt'],
  callbacks: [],
  sources: { plan: 'planPath' },
  outcomes: ['ended', 'failed'],
  // the attempt has a limit of its own
  resting: ['"attempting"'],
  samples: {
    'channel.arrived': [{ channelId: 'channel-2', candidate: record('inbound-2', 'secured') }],
    'offer.repeated': [{ offerId: 'offer-2', strategies: ['reverse'], target: target(endpoints(3), []) }],
    'done plan': [{ attemptId: '33', startedAtMs: 5, target: target() }],
    'done attempt': [{ ok: true, peerId, channelId: 'channel-1', candidate: record('direct-1', 'elected'), target: target() }, { ok: false, failure }],
  },
})

/** Every machine but signalling, which has tests of its own. */
export const walks: readonly NamedWalk[] = [
  node,
  candidateWalk,
  pipeSession,
  dial('direct of the initiator', directMachine, {}),
  dial('direct of the initiator, endpoints unknown', directMachine, { endpoints: undefined }),
  dial('direct of the responder', directMachine, { role: 'responder', awaitsAnswer: false }),
  dial('reverse of the initiator', reverseMachine, {}),
  dial('reverse of the initiator without brokers', reverseMachine, { awaitsAnswer: false }),
  dial('reverse of the responder', reverseMachine, { role: 'responder', awaitsAnswer: false }),
  punch('punch of the initiator', { endpoints: undefined }),
  punch('punch of the initiator, ports to be foretold', { endpoints: undefined }, counting),
  punch('punch of the responder', { role: 'responder', awaitsAnswer: false, endpoints: { ...endpoints(1), punch: [punchRecord(1)] } }),
  punch('punch of the responder, ports to be foretold', { role: 'responder', awaitsAnswer: false, endpoints: { ...endpoints(1), punch: [punchRecord(1, counting)] } }, counting),
  relay('relay of the initiator', {}),
  relay('relay of the responder', { role: 'responder', awaitsAnswer: false }),
  relay('relay of a responder that is told one', { role: 'responder', awaitsAnswer: false, endpoints: { ...endpoints(1), relay: [relayRecord(1)] } }),
  attempt('attempt of the initiator, race', attemptInput()),
  attempt('attempt of the initiator, sequence', attemptInput({ mode: 'sequence' })),
  attempt('attempt of the initiator, with a punch', attemptInput({ strategies: ['direct', 'punch'] })),
  attempt('attempt of the initiator, by a relay', attemptInput({ strategies: ['relay'] })),
  attempt('attempt of the responder', responderInput()),
  attempt('attempt of the responder, with a punch', responderInput({ strategies: ['direct', 'punch'] })),
  search('search of the initiator', attemptInput()),
  search('search of the responder', responderInput()),
  connection('connection of the initiator', { role: 'initiator', attempt: attemptInput() }),
  connection('connection by an offer', { role: 'responder', attempt: responderInput(), offer }),
  connection('connection by an OPEN', { role: 'responder', attempt: responderInput(), channelId: 'channel-0' }),
]
