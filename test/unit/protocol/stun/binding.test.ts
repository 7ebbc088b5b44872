import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../../src/protocol/endpoint.js'
import { changedAddress, mappedAddress, otherAddress, responseOrigin, sourceAddress, xorMappedAddress } from '../../../../src/protocol/stun/addresses.js'
import { attribute, readAttribute, type EncodableAttribute } from '../../../../src/protocol/stun/attribute.js'
import { answerBinding, type ResponderPlace } from '../../../../src/protocol/stun/binding-answer.js'
import { encodeBindingRequest, judgeReply, type AskedBinding } from '../../../../src/protocol/stun/binding-exchange.js'
import { changeRequest } from '../../../../src/protocol/stun/change-request.js'
import { errorCode, unknownAttributes } from '../../../../src/protocol/stun/error-code.js'
import { addFingerprint, verifyFingerprint } from '../../../../src/protocol/stun/fingerprint.js'
import { bindingMethod, decodeMessage, encodeMessage, isClassic, newTransaction, type StunClass } from '../../../../src/protocol/stun/message.js'

const server = { host: '192.0.2.1', port: 3_478 }
const other = { host: '192.0.2.2', port: 3_479 }
const mapped = { host: '198.51.100.7', port: 40_000 }
const transaction = newTransaction(Buffer.from('0123456789ab'))
const classicTransaction = Buffer.from('0123456789abcdef')

const reply = (attributes: readonly EncodableAttribute[], { name = 'success', method = bindingMethod, id = transaction }: { name?: StunClass; method?: number; id?: Buffer } = {}): Buffer =>
  encodeMessage({ class: name, method, transaction: id }, attributes)
const good = reply([attribute(xorMappedAddress, mapped)])

const judge = (bytes: Buffer, source: Endpoint = server, asked: AskedBinding = { server }, id = transaction) =>
  judgeReply(bytes, source, new Map([[id.toString('hex'), asked]]))

describe('judging a reply', () => {
  it('accepts what the asked server says', () => {
    const bytes = reply([attribute(xorMappedAddress, mapped), attribute(otherAddress, other), attribute(responseOrigin, server)])
    expect(judge(bytes)).toMatchObject({ outcome: 'success', reply: { mapped, other, origin: server, isClassic: false } })
  })

  it('prefers the XORed address', () => {
    const bytes = reply([attribute(mappedAddress, { host: '10.0.0.1', port: 1 }), attribute(xorMappedAddress, mapped)])
    expect(judge(bytes)).toMatchObject({ outcome: 'success', reply: { mapped } })
  })

  it('understands a server of RFC 3489', () => {
    const bytes = reply([attribute(mappedAddress, mapped), attribute(sourceAddress, server), attribute(changedAddress, other)])
    expect(judge(bytes)).toMatchObject({ outcome: 'success', reply: { mapped, other, origin: server, isClassic: true } })
  })

  it('ignores its own wrong OTHER-ADDRESS', () => {
    const bytes = reply([attribute(xorMappedAddress, mapped), { type: otherAddress.type, encode: () => Buffer.from('0001000000000000', 'hex') }])
    expect(judge(bytes)).toMatchObject({ outcome: 'success', reply: { mapped } })
  })

  it.each([['another address', { ...server, host: '192.0.2.9' }], ['another port', { ...server, port: 1 }], ['its other endpoint, unasked', other]])('ignores a reply from %s', (_where, source) => {
    expect(judge(good, source)).toEqual({ outcome: 'foreign' })
  })

  it.each([['another transaction', reply([attribute(xorMappedAddress, mapped)], { id: newTransaction(Buffer.from('ba9876543210')) })], ['half a header', good.subarray(0, 19)], ['nothing', Buffer.alloc(0)]])('ignores %s', (_what, bytes) => {
    expect(judge(bytes)).toEqual({ outcome: 'foreign' })
  })

  it('reports a refusal with its number', () => {
    expect(judge(reply([attribute(errorCode, { code: 420, reason: 'no' })], { name: 'error' }))).toMatchObject({ outcome: 'refused', error: { code: 420, reason: 'no' } })
  })

  it.each([
    ['is truncated', good.subarray(0, good.length - 1)],
    ['is the request itself', encodeBindingRequest(transaction)],
    ['is of another method', reply([attribute(xorMappedAddress, mapped)], { method: 3 })],
    ['names no mapped address', reply([])],
    ['names a malformed mapped address', reply([{ type: xorMappedAddress.type, encode: () => Buffer.alloc(3) }])],
    ['is an error without a code', reply([], { name: 'error' })],
    ['has an attribute that must be understood', reply([attribute(xorMappedAddress, mapped), { type: 0x7000, encode: () => Buffer.alloc(4) }])],
    ['has a wrong fingerprint', Buffer.concat([addFingerprint(good).subarray(0, -1), Buffer.from([0])])],
  ])('calls a reply bad that %s', (_what, bytes) => {
    expect(judge(bytes)).toMatchObject({ outcome: 'bad' })
  })

  it('accepts the reply to CHANGE-REQUEST from where it was asked to come only', () => {
    const asked = { server, replyFrom: other }
    expect(judge(good, other, asked)).toMatchObject({ outcome: 'success', asked })
    expect(judge(good, server, asked)).toMatchObject({ outcome: 'bad' })
    expect(judge(good, { host: other.host, port: server.port }, asked)).toEqual({ outcome: 'foreign' })
  })

  it('lets the asked server refuse CHANGE-REQUEST', () => {
    expect(judge(reply([attribute(errorCode, { code: 420, reason: '' })], { name: 'error' }), server, { server, replyFrom: other })).toMatchObject({ outcome: 'refused' })
  })
})

describe('answering a Binding request', () => {
  const place: ResponderPlace = { transport: 'udp', local: server, other }
  const alone: ResponderPlace = { transport: 'udp', local: server, other: { host: undefined, port: other.port } }
  const ask = (bytes: Buffer, at: ResponderPlace = place, mayDialBack = () => true) => answerBinding(bytes, mapped, at, mayDialBack)
  const answerOf = (bytes: Buffer, at?: ResponderPlace) => decodeMessage(ask(bytes, at)?.bytes ?? Buffer.alloc(0))

  it.each([[false, false], [true, false], [false, true], [true, true]])('states where it replies from: address %s, port %s', (address, port) => {
    const answer = ask(encodeBindingRequest(transaction, { change: { address, port } }))
    expect(answer?.change).toEqual({ address, port })
    const message = decodeMessage(answer?.bytes ?? Buffer.alloc(0))
    expect(readAttribute(message, responseOrigin)).toEqual({ host: address ? other.host : server.host, port: port ? other.port : server.port })
    expect(readAttribute(message, otherAddress)).toEqual(other)
    expect(readAttribute(message, changeRequest)).toBeUndefined()
  })

  it('speaks RFC 3489 to who does', () => {
    const message = answerOf(encodeBindingRequest(classicTransaction))
    expect(isClassic(message)).toBe(true)
    expect([readAttribute(message, mappedAddress), readAttribute(message, sourceAddress), readAttribute(message, changedAddress)]).toEqual([mapped, server, other])
    expect(readAttribute(message, xorMappedAddress)).toBeUndefined()
  })

  it('promises a dial-back over TCP by repeating the CHANGE-REQUEST, and replies from where it is', () => {
    const change = { address: true, port: true }
    const message = answerOf(encodeBindingRequest(transaction, { change }), { ...place, transport: 'tcp' })
    expect([readAttribute(message, changeRequest), readAttribute(message, responseOrigin)]).toEqual([change, server])
  })

  it('refuses a dial-back that may not be', () => {
    const answer = ask(encodeBindingRequest(transaction, { change: { address: false, port: true } }), { ...place, transport: 'tcp' }, () => false)
    expect(answer?.change).toEqual({ address: false, port: false })
    expect(readAttribute(decodeMessage(answer?.bytes ?? Buffer.alloc(0)), errorCode)?.code).toBe(500)
  })

  it('asks for no dial-back over UDP, and for none that changes nothing', () => {
    const asked: string[] = []
    const note = () => asked.push('asked') > 0
    ask(encodeBindingRequest(transaction, { change: { address: true, port: true } }), place, note)
    ask(encodeBindingRequest(transaction, { change: { address: false, port: false } }), { ...place, transport: 'tcp' }, note)
    expect(asked).toEqual([])
  })

  it('does not know how to change an address it does not have', () => {
    const message = answerOf(encodeBindingRequest(transaction, { change: { address: true, port: false } }), alone)
    expect([readAttribute(message, errorCode)?.code, readAttribute(message, unknownAttributes)]).toEqual([420, [changeRequest.type]])
  })

  it.each([['RESPONSE-ADDRESS', 0x0002], ['PADDING', 0x0026]])('refuses %s, which would send replies elsewhere or make them grow', (_name, type) => {
    const message = answerOf(encodeMessage({ class: 'request', method: bindingMethod, transaction }, [{ type, encode: () => Buffer.alloc(8) }]))
    expect([readAttribute(message, errorCode)?.code, readAttribute(message, unknownAttributes)]).toEqual([420, [type]])
  })

  it('ends with a fingerprint when the request does', () => {
    expect(verifyFingerprint(answerOf(addFingerprint(encodeBindingRequest(transaction))))).toBe('valid')
    expect(verifyFingerprint(answerOf(encodeBindingRequest(transaction)))).toBe('absent')
  })

  it.each([
    ['a reply', good], ['an indication', reply([], { name: 'indication' })], ['another method', reply([], { name: 'request', method: 3 })], ['a truncated request', encodeBindingRequest(transaction).subarray(0, 19)],
    ['a wrong fingerprint', Buffer.concat([addFingerprint(encodeBindingRequest(transaction)).subarray(0, -1), Buffer.from([0])])],
  ])('gives no answer to %s', (_what, bytes) => {
    expect(ask(bytes)).toBeUndefined()
  })

  it('answers with at most 100 bytes, or 40 more than the request', () => {
    const six = { host: '2001:db8::1', port: 1 }
    expect(answerBinding(addFingerprint(encodeBindingRequest(transaction)), six, { transport: 'udp', local: six, other: six })?.bytes.length).toBe(100)
    const unknown = Array.from({ length: 1_000 }, (_, index) => ({ type: 0x1000 + index, encode: () => Buffer.alloc(0) }))
    const request = encodeMessage({ class: 'request', method: bindingMethod, transaction }, unknown)
    expect(ask(request)?.bytes.length).toBeLessThanOrEqual(request.length + 40)
  })
})
