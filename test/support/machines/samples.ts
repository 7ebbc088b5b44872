import type { AttemptInput, PeerTarget } from '../../../machines/attempt/attempt.types.js'
import type { Candidate, CandidateRecord, CandidateStatus } from '../../../machines/shared/candidate.types.js'
import type { ConnectionPolicy } from '../../../machines/shared/policy.types.js'
import type { PeerEndpoints } from '../../../machines/shared/strategy.types.js'
import { defaults } from '../../../src/config/defaults.js'
import type { Failure } from '../../../src/errors/index.js'
import type { PunchSite, Volley } from '../../../src/nat/punch/volley.js'
import type { RelayReach, RelayWay } from '../../../src/nat/relay/relay-reach.js'
import type { OwnRelay } from '../../../src/nat/relay/plan-ways.js'
import type { InterfaceRecord, NatSummary } from '../../../src/protocol/interface-record.js'
import type { RelayRecord } from '../../../src/protocol/relay-record.js'

export const policy: ConnectionPolicy = { attempt: defaults.attempt, dial: defaults.dial, punch: defaults.punch, relay: defaults.relay, recovery: defaults.recovery }

export const peerId = 'peer'
export const failure: Failure = { code: 'ERR_DIAL_REFUSED', message: 'refused' }
export const refusal: Failure = { code: 'ERR_REFUSED', message: 'no' }
export const cancellation: Failure = { code: 'ERR_CANCELLED', message: 'cancelled' }

/** Endpoints at so many ports of one host. */
export const endpoints = (...ports: number[]): PeerEndpoints => ({
  isSameMachine: false,
  punch: [],
  relay: [],
  interfaces: ports.map(port => ({ family: 4, local: undefined, external: { host: '192.0.2.1', port }, nat: undefined })) as unknown as PeerEndpoints['interfaces'],
})

/** Keeps one mapping per local port. */
export const keeping: NatSummary = { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', allocation: 'equal', delta: 0 }
/** Maps per destination, the next port by a counter: to be sampled. */
export const counting: NatSummary = { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'sequential', delta: 1 }

/** Where a peer can be hit. */
export const punchRecord = (port: number, nat: NatSummary = keeping, host = '192.0.2.1'): InterfaceRecord => ({ family: 4, local: { host: '10.0.0.1', port }, external: { host, port }, nat })

/** Where a side can be reached through a relay. */
export const relayRecord = (port: number): RelayRecord => ({ relayed: { host: '198.51.100.1', port }, server: { host: '198.51.100.1', port: 3478 } })

/** By the relay of `relayRecord`. */
export const reach = (way: RelayWay): RelayReach => ({ way, server: '198.51.100.1:3478', isAlone: true, ...(way !== 'dial' && { allocationId: 'allocation-1' }) })

/** A relayed endpoint of ours. */
export const ownRelay = (number: number): OwnRelay => ({ allocationId: `allocation-${number}`, record: relayRecord(number) })

/** Ports of ours to punch from. */
export const site = (port: number, nat: NatSummary = keeping, host = '192.0.2.9'): PunchSite => ({ host: '10.0.0.9', localPorts: [port], record: punchRecord(port, nat, host) })

export const volley = (port: number): Volley => ({
  method: 'mapping', scope: 'external', family: 4, host: '10.0.0.9', localPorts: [9], remoteHost: '192.0.2.1', remotePorts: [port], delayMs: 0,
})

export const target = (known: PeerEndpoints | undefined = endpoints(1), brokers: readonly string[] = ['mqtt://broker']): PeerTarget => ({ peerId, endpoints: known, brokers })

export const candidate = (id: string, fields: Partial<Candidate> = {}): Candidate => ({
  id, strategy: strategyOf(id), scope: 'external', family: 4, local: '192.0.2.9', remote: '192.0.2.1:1', ...fields,
})

const strategyOf = (id: string): Candidate['strategy'] => (id.startsWith('punch') ? 'punch' : id.startsWith('relay') ? 'relay' : id.startsWith('reverse') || id.startsWith('inbound') ? 'reverse' : 'direct')

export const record = (id: string, status: CandidateStatus, fields: Partial<CandidateRecord> = {}): CandidateRecord => ({
  ...candidate(id), status, startedAtMs: 1, updatedAtMs: 2, ...fields,
})

export const attemptInput = (fields: Partial<AttemptInput> = {}): AttemptInput => ({
  reason: 'dial', role: 'initiator', sessionKey: 'initiator/1', sessionId: '11', attemptId: '22', protocol: '', strategies: ['direct', 'reverse'], mode: 'race', timeoutMs: 30_000, startedAtMs: 0, policy, ...fields,
})

/** A responder's attempt starts from the offer. */
export const responderInput = (fields: Partial<AttemptInput> = {}): AttemptInput =>
  attemptInput({ role: 'responder', sessionKey: 'responder/1', offerId: 'offer-1', target: target(endpoints(1), []), ...fields })
