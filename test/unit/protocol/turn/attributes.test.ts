import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AttributeCodec } from '../../../../src/protocol/stun/attribute.js'
import { newTransaction } from '../../../../src/protocol/stun/message.js'
import { xorPeerAddress, xorRelayedAddress } from '../../../../src/protocol/turn/addresses.js'
import { channelNumber } from '../../../../src/protocol/turn/channel.js'
import { requestedFamily, requestedTransport } from '../../../../src/protocol/turn/choices.js'
import { data } from '../../../../src/protocol/turn/data.js'
import { connectionId, lifetime } from '../../../../src/protocol/turn/numbers.js'
import { passwordAlgorithm, passwordAlgorithms } from '../../../../src/protocol/turn/password-algorithms.js'

const transaction = newTransaction(Buffer.from('0123456789ab'))
const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' }) as unknown
const endpoint = fc.record({ host: fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', 'fe80::')), port: fc.integer({ min: 1, max: 65_535 }) })

const cases: readonly (readonly [string, AttributeCodec<unknown>, fc.Arbitrary<unknown>])[] = [
  ['LIFETIME', lifetime, fc.nat(0xffff_ffff)],
  ['CONNECTION-ID', connectionId, fc.nat(0xffff_ffff)],
  ['REQUESTED-TRANSPORT', requestedTransport, fc.constantFrom('tcp', 'udp')],
  ['REQUESTED-ADDRESS-FAMILY', requestedFamily, fc.constantFrom(4, 6)],
  ['XOR-PEER-ADDRESS', xorPeerAddress, endpoint],
  ['XOR-RELAYED-ADDRESS', xorRelayedAddress, endpoint],
  ['CHANNEL-NUMBER', channelNumber, fc.integer({ min: 0x4000, max: 0x4fff })],
  ['PASSWORD-ALGORITHM', passwordAlgorithm, fc.nat(0xffff)],
  ['PASSWORD-ALGORITHMS', passwordAlgorithms, fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 16 })],
]

describe.each(cases)('%s', (_name, codec, values) => {
  it('comes back as it was written', () => {
    fc.assert(fc.property(values, value => {
      expect(codec.decode(Buffer.from(codec.encode(value, transaction)), transaction)).toEqual(value)
    }))
  })

  it('is refused when it is cut off, or has a byte too many', () => {
    fc.assert(fc.property(values, value => {
      const bytes = Buffer.from(codec.encode(value, transaction))
      for (let length = 0; length < bytes.length; length++) {
        // a shorter list is a list
        if (codec === (passwordAlgorithms as unknown) && length > 0 && length % 4 === 0) continue
        expect(() => codec.decode(bytes.subarray(0, length), transaction)).toThrow(malformed)
      }
      expect(() => codec.decode(Buffer.concat([bytes, Buffer.alloc(1)]), transaction)).toThrow(malformed)
    }), { numRuns: 20 })
  })
})

describe('attributes of TURN', () => {
  it('have the numbers of RFC 8656, RFC 6062 and RFC 8489', () => {
    expect(lifetime.encode(600, transaction)).toEqual(Buffer.from('00000258', 'hex'))
    expect(requestedTransport.encode('tcp', transaction)).toEqual(Buffer.from('06000000', 'hex'))
    expect(requestedTransport.encode('udp', transaction)).toEqual(Buffer.from('11000000', 'hex'))
    expect(requestedFamily.encode(6, transaction)).toEqual(Buffer.from('02000000', 'hex'))
    expect(channelNumber.encode(0x4001, transaction)).toEqual(Buffer.from('40010000', 'hex'))
    expect(passwordAlgorithms.encode([2, 1], transaction)).toEqual(Buffer.from('0002000000010000', 'hex'))
    const codecs = [channelNumber, lifetime, xorPeerAddress, data, xorRelayedAddress, requestedFamily, requestedTransport, connectionId, passwordAlgorithm, passwordAlgorithms]
    expect(codecs.map(({ type }) => type)).toEqual([0x0c, 0x0d, 0x12, 0x13, 0x16, 0x17, 0x19, 0x2a, 0x1d, 0x8002])
  })

  it.each([['0300'], ['05000000'], ['00000000']])('no transport is %s', hex => {
    expect(() => requestedTransport.decode(Buffer.from(hex, 'hex'), transaction)).toThrow(malformed)
  })

  it.each(['3fff0000', '50000000'])('no channel is %s', hex => {
    expect(() => channelNumber.decode(Buffer.from(hex, 'hex'), transaction)).toThrow(malformed)
  })

  it('take no password algorithm that has parameters', () => {
    expect(() => passwordAlgorithms.decode(Buffer.from('0002000400000000', 'hex'), transaction)).toThrow(malformed)
  })
})
