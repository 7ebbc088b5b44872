import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaults } from '../../../../src/config/defaults.js'
import { attribute, readAttribute, unknownRequired } from '../../../../src/protocol/stun/attribute.js'
import { addFingerprint, verifyFingerprint } from '../../../../src/protocol/stun/fingerprint.js'
import { shortTermKey, signMessage, verifyIntegrity } from '../../../../src/protocol/stun/integrity.js'
import { appendComputed, closingTypes, decodeMessage, encodeMessage, isClassic, newTransaction, transactionKey, type StunClass } from '../../../../src/protocol/stun/message.js'
import { sendTimes } from '../../../../src/protocol/stun/retransmission.js'
import { software, username } from '../../../../src/protocol/stun/texts.js'
import { vectors } from './vectors.js'

const transaction = newTransaction(Buffer.from('0123456789ab'))
const header = { class: 'request', method: 1, transaction } as const
const key = shortTermKey('secret')
const raw = (type: number, length = 0) => ({ type, encode: () => Buffer.alloc(length, 1) })
const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' })

describe('a STUN message', () => {
  it('comes back as it was written, whatever its method, class and attributes', () => {
    const classes = fc.constantFrom<StunClass>('request', 'indication', 'success', 'error')
    // closing attributes hide what follows them
    const attributes = fc.array(fc.tuple(fc.nat(0xffff).filter(type => ![0x0008, 0x001c, 0x8028].includes(type)), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 })
    fc.assert(
      fc.property(fc.nat(0xfff), classes, fc.uint8Array({ minLength: 16, maxLength: 16 }), attributes, (method, name, id, list) => {
        const bytes = encodeMessage({ class: name, method, transaction: Buffer.from(id) }, list.map(([type, value]) => ({ type, encode: () => value })))
        const message = decodeMessage(bytes)
        expect([message.class, message.method, [...message.transaction]]).toEqual([name, method, [...id]])
        expect(message.attributes.map(({ type, value }) => [type, [...value]])).toEqual(list.map(([type, value]) => [type, [...value]]))
      }),
    )
  })

  it.each([['request', 0x0001], ['indication', 0x0011], ['success', 0x0101], ['error', 0x0111]] as const)('has the type of RFC 8489 for a Binding %s', (name, type) => {
    expect(encodeMessage({ ...header, class: name }, []).readUInt16BE()).toBe(type)
  })

  it.each(Object.entries(vectors))('is refused in every truncated form: %s', (_name, bytes) => {
    for (let length = 0; length < bytes.length; length++) expect(() => decodeMessage(bytes.subarray(0, length)), `${length} bytes`).toThrow(malformed)
  })

  it('is refused with bytes behind it', () => {
    expect(() => decodeMessage(Buffer.concat([vectors.request, Buffer.alloc(4)]))).toThrow(malformed)
  })

  it('is refused with an attribute that reaches beyond its end', () => {
    const bytes = encodeMessage(header, [raw(0x8022, 4)])
    bytes.writeUInt16BE(5, 22)
    expect(() => decodeMessage(bytes)).toThrow(malformed)
  })

  it.each([['the first two bits are set', 0, 0x40], ['its length is no multiple of four', 3, 2]])('is refused when %s', (_why, at, value) => {
    const bytes = encodeMessage(header, [raw(0x8022, 4)])
    bytes.writeUInt8(value, at)
    expect(() => decodeMessage(bytes)).toThrow(malformed)
  })

  it('is neither read nor written above its greatest length', () => {
    const { maxMessageBytes } = defaults.stun
    const largest = encodeMessage(header, [raw(0x8022, maxMessageBytes - 24)])
    expect(decodeMessage(largest).bytes.length).toBe(maxMessageBytes)
    expect(() => encodeMessage(header, [raw(0x8022, maxMessageBytes - 20)])).toThrow(malformed)
    expect(() => signMessage(largest, key)).toThrow(malformed)
    const longer = Buffer.concat([largest, Buffer.alloc(4)])
    longer.writeUInt16BE(maxMessageBytes + 4 - 20, 2)
    expect(() => decodeMessage(longer)).toThrow(malformed)
  })

  it('of RFC 3489 is known by its missing cookie and keeps its 128 bits', () => {
    const id = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
    const bytes = encodeMessage({ ...header, transaction: id }, [])
    expect(isClassic(decodeMessage(bytes))).toBe(true)
    expect(transactionKey(bytes)).toBe(id.toString('hex'))
  })

  it('has no transaction before its header is whole', () => {
    expect(transactionKey(vectors.request.subarray(0, 19))).toBeUndefined()
  })

  it('counts the first of two attributes of one kind', () => {
    const message = decodeMessage(encodeMessage(header, [attribute(software, 'one'), attribute(software, 'two')]))
    expect(readAttribute(message, software)).toBe('one')
  })

  it('reports each unknown attribute once, and none that may be ignored', () => {
    const message = decodeMessage(encodeMessage(header, [raw(0x7fff), raw(0x8001), raw(0x0027), raw(0x7fff), raw(0x0006)]))
    expect(unknownRequired(message, new Set([username.type]))).toEqual([0x7fff, 0x0027])
  })
})

describe('integrity and fingerprint', () => {
  const plain = encodeMessage(header, [attribute(username, 'someone')])

  it.each(['sha1', 'sha256'] as const)('are verified after they were added: %s', kind => {
    const message = decodeMessage(addFingerprint(signMessage(plain, key, kind)))
    expect([verifyIntegrity(message, key, kind), verifyFingerprint(message)]).toEqual(['valid', 'valid'])
    expect(verifyIntegrity(message, shortTermKey('other'), kind)).toBe('wrong')
    expect(verifyIntegrity(message, key, kind === 'sha1' ? 'sha256' : 'sha1')).toBe('absent')
  })

  it('stand side by side, each over what comes before it', () => {
    const message = decodeMessage(addFingerprint(signMessage(signMessage(plain, key, 'sha1'), key, 'sha256')))
    expect([verifyIntegrity(message, key, 'sha1'), verifyIntegrity(message, key, 'sha256'), verifyFingerprint(message)]).toEqual(['valid', 'valid', 'valid'])
  })

  it('hide attributes that were appended after them', () => {
    const bytes = signMessage(plain, key)
    const appended = encodeMessage(header, [attribute(software, 'forged')]).subarray(20)
    const longer = Buffer.concat([bytes, appended])
    longer.writeUInt16BE(longer.length - 20, 2)
    expect(readAttribute(decodeMessage(longer), software)).toBeUndefined()
  })

  it.each([[32, 'valid'], [16, 'valid'], [12, 'wrong'], [36, 'wrong']] as const)('judge an SHA-256 value of %s bytes %s', (size, outcome) => {
    const value = (covered: Buffer) => Buffer.concat([createHmac('sha256', key).update(covered).digest(), Buffer.alloc(4)]).subarray(0, size)
    const message = decodeMessage(appendComputed(plain, closingTypes.integritySha256, size, value))
    expect(verifyIntegrity(message, key, 'sha256')).toBe(outcome)
  })

  it('are wrong with a fingerprint that is not at the end', () => {
    const bytes = addFingerprint(plain)
    const longer = Buffer.concat([bytes, encodeMessage(header, [attribute(software, 'x')]).subarray(20)])
    longer.writeUInt16BE(longer.length - 20, 2)
    expect(verifyFingerprint(decodeMessage(longer))).toBe('wrong')
  })

  it('take one key from a password in two Unicode forms', () => {
    expect(shortTermKey('é\u00a0x')).toEqual(shortTermKey('e\u0301 x'))
  })
})

describe('the times a request is sent', () => {
  it('double as RFC 8489 says, seven at most', () => {
    expect(sendTimes(100_000)).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500])
  })

  it('end before the time-out', () => {
    expect(sendTimes(1_500)).toEqual([0, 500])
    expect(sendTimes(0)).toEqual([0])
  })
})
