import { describe, expect, it } from 'vitest'
import type { AttemptContext, SignallingFacts } from '../../../machines/attempt/attempt.types.js'
import { explain } from '../../../machines/attempt/verdict.js'
import type { CandidateRecord, CandidateStatus } from '../../../machines/shared/candidate.types.js'
import type { ErrorCode, Failure } from '../../../src/errors/index.js'
import type { NatSummary } from '../../../src/protocol/interface-record.js'
import { attemptInput, endpoints, keeping, punchRecord, record, target } from '../../support/machines/samples.js'

const silent: SignallingFacts = { published: false, acknowledged: false, answered: false, gaveUp: false, failure: undefined }
const published = { ...silent, published: true }
const acknowledged = { ...published, acknowledged: true }
const answered = { ...acknowledged, answered: true }

const failed = (id: string, code: ErrorCode, status: CandidateStatus = 'failed') => record(id, status, { error: { code, message: `because of ${code}` } })
const because = (code: ErrorCode, message = 'it is so'): Failure => ({ code, message })

function context(records: readonly CandidateRecord[], fields: Partial<AttemptContext> = {}): AttemptContext {
  return {
    ...attemptInput(), known: target(), round: 0, running: [], deferred: [], punch: undefined, punchRound: 0, relay: undefined, relayFailure: undefined, isGraceOver: false, ready: [], electing: undefined, elected: undefined, signalling: silent, failure: undefined,
    candidates: Object.fromEntries(records.map(one => [one.id, one])), ...fields,
  }
}

const random: NatSummary = { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'random', delta: 0 }

/** A punch that came to nothing, between two NATs. */
const punched = (ours: NatSummary, theirs: NatSummary, records: readonly CandidateRecord[] = [failed('punch-1', 'ERR_PUNCH_TIMEOUT')]) =>
  context(records, { signalling: answered, strategies: ['direct', 'punch'], punch: [punchRecord(1, ours)], known: target({ ...endpoints(1), punch: [punchRecord(2, theirs, '198.51.100.1')] }) })

const fails: readonly (readonly [string, AttemptContext, ErrorCode, RegExp, RegExp])[] = [
  ['a peer that is offline', context([failed('direct-1', 'ERR_DIAL_TIMEOUT')], { signalling: published }), 'ERR_PEER_OFFLINE',
    /^No sign of life.*published, and nobody acknowledged it\. Its endpoints: 1 did not answer \(a NAT or firewall drops\)\.$/, /is running/],
  ['a peer that is offline and gave no endpoint', context([], { signalling: published, known: { ...target(), endpoints: undefined } }), 'ERR_PEER_OFFLINE', /published no endpoint to dial/, /is running/],
  ['a peer that can be asked by nobody', context([failed('direct-1', 'ERR_DIAL_REFUSED')], { known: target(endpoints(1), []) }), 'ERR_PEER_OFFLINE', /No broker was known.*1 refused/, /--mqtt/],
  ['no broker and no endpoint', context([], { known: target(endpoints(), []) }), 'ERR_NO_BROKER', /No broker to ask the peer by/, /--mqtt/],
  ['brokers that are down, nothing else to try', context([], { signalling: { ...silent, failure: because('ERR_BROKER_UNREACHABLE', 'the broker is down') } }), 'ERR_BROKER_UNREACHABLE', /The broker is down/, /host, port/],
  ['brokers that are down, and endpoints that refuse', context([failed('direct-1', 'ERR_DIAL_REFUSED')], { signalling: { ...silent, failure: because('ERR_BROKER_TIMEOUT', 'silence') } }), 'ERR_PEER_OFFLINE',
    /No broker could carry our offer \(silence\).*1 refused/, /is running/],
  ['a peer that answers where no path exists', context([failed('direct-1', 'ERR_DIAL_TIMEOUT'), failed('direct-2', 'ERR_DIAL_REFUSED')], { signalling: answered }), 'ERR_NO_PATH',
    /The peer is running.*1 did not answer .*, 1 refused\. It could not reach this side either/, /Open a port/],
  ['a peer that acknowledges and never answers', context([], { signalling: acknowledged }), 'ERR_NO_PATH', /It did not answer the offer/, /Open a port/],
  ['a peer that could dial us, if it were let', context([failed('direct-1', 'ERR_DIAL_TIMEOUT')], { signalling: answered, strategies: ['direct'] }), 'ERR_NO_PATH', /no path was found/, /Allow the strategy reverse/],
  ['a peer that connects and never accepts', context([failed('direct-1', 'ERR_ACCEPT_TIMEOUT')]), 'ERR_NO_PATH', /The peer answered, but.*1 connected but did not accept in time/, /Open a port/],
  ['somebody else at the endpoint', context([failed('direct-1', 'ERR_PEER_KEY_MISMATCH')], { signalling: published }), 'ERR_PEER_KEY_MISMATCH', /^Somebody else answered/, /address again/],
  ['somebody else at one endpoint of a peer that lives', context([failed('direct-1', 'ERR_PEER_KEY_MISMATCH')], { signalling: answered }), 'ERR_NO_PATH', /1 answered with another key/, /Open a port/],
  ['a refusal', context([failed('direct-1', 'ERR_DIAL_TIMEOUT')], { signalling: acknowledged, failure: because('ERR_REFUSED', 'the peer refused') }), 'ERR_REFUSED', /^The peer refused\.$/, /allow your id/],
  ['a cancellation', context([record('direct-1', 'cancelled')], { failure: because('ERR_CANCELLED', 'cancelled') }), 'ERR_CANCELLED', /^Cancelled\.$/, /asked for/],
  ['time that ran out on a peer that lives', context([record('direct-1', 'cancelled')], { signalling: answered, failure: because('ERR_TIMEOUT', 'late'), timeoutMs: 5_000 }), 'ERR_TIMEOUT',
    /^No path within 5 s\. It acknowledged our offer\. Its endpoints: 1 had not answered yet\.$/, /--timeout/],
  ['time that ran out without a sign of life', context([], { signalling: published, failure: because('ERR_TIMEOUT', 'late') }), 'ERR_PEER_OFFLINE', /nobody acknowledged/, /is running/],
  ['time that ran out before anything was known', context([], { known: undefined, failure: because('ERR_TIMEOUT', 'late') }), 'ERR_PEER_OFFLINE', /^No sign of life from the peer\. Nothing was found out about it yet\.$/, /is running/],
  ['two NATs that both draw their ports', punched(random, random), 'ERR_NO_PATH', /1 did not meet our SYNs at the moment of a punch\. .*random ports per destination/, /relay/],
  ['a punch that should have come through', punched(keeping, keeping), 'ERR_NO_PATH', /a punch comes through, and yet none did/, /firewall/],
  ['endpoints that no interface of ours leads to', punched(keeping, keeping, [failed('punch-1', 'ERR_DIAL_LOCAL', 'skipped')]), 'ERR_NO_PATH', /Its endpoints: 1 could not be tried from here\./, /firewall/],
  ['endpoints the safety rules leave out', context([failed('direct-1', 'ERR_DIAL_FORBIDDEN', 'skipped')], { signalling: answered, strategies: ['direct'] }), 'ERR_NO_PATH', /1 were left out by the safety rules/, /reverse/],
]

describe('the verdict of a failed attempt', () => {
  it.each(fails)('blames %s', (_case, facts, code, text, advice) => {
    const verdict = explain({ context: facts, elected: undefined })
    expect(verdict.code).toBe(code)
    expect(verdict.text).toMatch(text)
    expect(verdict.advice).toMatch(advice)
  })

  it('lets what ended it from outside override what the attempt itself would say', () => {
    const verdict = explain({ context: context([]), elected: undefined, failure: because('ERR_CONNECTION_LOST', 'the path broke') })
    expect(verdict).toMatchObject({ code: 'ERR_CONNECTION_LOST', text: 'The path broke.' })
  })
})

const direct = record('direct-1', 'elected', { scope: 'external' })
const local = record('direct-2', 'elected', { scope: 'local' })
const reverse = record('inbound-1', 'elected')
const punch = record('punch-1', 'elected')

const succeeds: readonly (readonly [string, CandidateRecord, readonly CandidateRecord[], Partial<AttemptContext>, RegExp, RegExp])[] = [
  ['nothing more when the path is the best there is', local, [failed('direct-3', 'ERR_DIAL_REFUSED')], {}, /^Connected direct over IPv4, on the local network \(192\.0\.2\.1:1\)\.$/, /^$/],
  ['why not on the local network', direct, [{ ...failed('direct-3', 'ERR_DIAL_TIMEOUT'), scope: 'local' }], {}, /over the internet .*Not on the local network: 1 did not answer/, /^$/],
  ['nothing of slower channels of the same kind', direct, [failed('direct-3', 'ERR_SUPERSEDED', 'lost')], {}, /over the internet \(\S+\)\.$/, /^$/],
  ['why not directly: the peer’s endpoint refused', reverse, [failed('direct-1', 'ERR_DIAL_REFUSED')], {}, /in reverse .*Not directly: 1 refused\.$/, /A port the peer opens/],
  ['why not directly: the dials were still under way', reverse, [record('direct-1', 'cancelled')], {}, /Not directly: 1 had not answered yet\.$/, /A port the peer opens/],
  ['why not directly: it was not asked for', reverse, [], { strategies: ['reverse'] }, /Not directly: it was not asked for\.$/, /Allow the strategy direct/],
  ['why not directly: there was no endpoint', reverse, [], { known: { ...target(), endpoints: undefined } }, /Not directly: the peer published no endpoint to dial\.$/, /A port the peer opens/],
  ['that a punch connected, and why not directly', punch, [failed('direct-1', 'ERR_DIAL_TIMEOUT')], {}, /^Connected by a punch over IPv4, over the internet \(\S+\)\. Not directly: 1 did not answer/, /A port the peer opens/],
  ['nothing of a direct channel that was slower', reverse, [failed('direct-1', 'ERR_SUPERSEDED', 'lost')], {}, /in reverse over IPv4, over the internet \(\S+\)\.$/, /^$/],
]

describe('the verdict of a connected attempt', () => {
  it.each(succeeds)('tells %s', (_case, elected, others, fields, text, advice) => {
    const verdict = explain({ context: context([elected, ...others], fields), elected })
    expect(verdict.code).toBe('OK')
    expect(verdict.text).toMatch(text)
    expect(verdict.advice).toMatch(advice)
  })
})
