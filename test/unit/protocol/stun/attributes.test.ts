import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alternateServer, mappedAddress, otherAddress, xorMappedAddress } from '../../../../src/protocol/stun/addresses.js'
import { changedOrigin, changeRequest } from '../../../../src/protocol/stun/change-request.js'
import { errorCode, unknownAttributes } from '../../../../src/protocol/stun/error-code.js'
import { ipFromBytes, ipToBytes, isSameHost } from '../../../../src/protocol/stun/ip-bytes.js'
import { newTransaction } from '../../../../src/protocol/stun/message.js'
import { nonce, realm, software, username } from '../../../../src/protocol/stun/texts.js'
import type { AttributeCodec } from '../../../../src/protocol/stun/attribute.js'

const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' })
const transaction = newTransaction(Buffer.from('0123456789ab'))
const roundTrip = <T>(codec: AttributeCodec<T>, value: T): T => codec.decode(Buffer.from(codec.encode(value, transaction)), transaction)
const decode = <T>(codec: AttributeCodec<T>, hex: string): T => codec.decode(Buffer.from(hex, 'hex'), transaction)

const port = fc.integer({ min: 1, max: 65_535 })
const host4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(bytes => bytes.join('.'))
// written by WHATWG URL, which is not what is under test
const host6 = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }).map(groups => new URL(`http://[${groups.map(group => group.toString(16)).join(':')}]/`).hostname.slice(1, -1))

describe('address attributes', () => {
  it.each([['plain', mappedAddress], ['XORed', xorMappedAddress]])('come back as they were written: %s', (_kind, codec) => {
    fc.assert(
      fc.property(fc.oneof(host4, host6), port, (host, number) => {
        expect(roundTrip(codec, { host, port: number })).toEqual({ host, port: number })
      }),
    )
  })

  it.each(['0.0.0.0', '127.0.0.1', '255.255.255.255', '::', '::ffff:0:1'])('keep %s: judging is not theirs', host => {
    expect(roundTrip(xorMappedAddress, { host, port: 1 })).toEqual({ host, port: 1 })
  })

  it.each([
    ['no bytes', ''], ['half a header', '0001'], ['an unknown family', '00030050c0000201'], ['an IPv4 address of three bytes', '00010050c00002'],
    ['an IPv4 address of 16', `00010050${'00'.repeat(16)}`], ['an IPv6 address of four', '00020050c0000201'], ['port 0', '00010000c0000201'],
  ])('are refused with %s', (_what, hex) => {
    expect(() => decode(otherAddress, hex)).toThrow(malformed)
  })

  it('write IP literals only, and leave zones out', () => {
    expect(() => mappedAddress.encode({ host: 'localhost', port: 1 }, transaction)).toThrow(malformed)
    expect(roundTrip(alternateServer, { host: 'fe80::1%eth0', port: 1 })).toEqual({ host: 'fe80::1', port: 1 })
  })
})

describe('CHANGE-REQUEST', () => {
  it.each([[false, false, 0], [true, false, 4], [false, true, 2], [true, true, 6]])('is written as RFC 5780 says: address %s, port %s', (address, portToo, flags) => {
    expect([...changeRequest.encode({ address, port: portToo }, transaction)]).toEqual([0, 0, 0, flags])
    expect(roundTrip(changeRequest, { address, port: portToo })).toEqual({ address, port: portToo })
  })

  it('is refused with another length', () => {
    expect(() => decode(changeRequest, '00000006ff')).toThrow(malformed)
  })

  it('moves the origin of a reply', () => {
    const server = { host: '192.0.2.1', port: 1 }
    const other = { host: '192.0.2.2', port: 2 }
    expect(changedOrigin(server, other, { address: true, port: false })).toEqual({ host: '192.0.2.2', port: 1 })
    expect(changedOrigin(server, other, { address: false, port: true })).toEqual({ host: '192.0.2.1', port: 2 })
  })
})

describe('ERROR-CODE and UNKNOWN-ATTRIBUTES', () => {
  it.each([300, 420, 438, 500, 699])('come back as they were written: %s', code => {
    expect(roundTrip(errorCode, { code, reason: 'Grund ü' })).toEqual({ code, reason: 'Grund ü' })
  })

  it.each([['cut off', '000004'], ['of class 2', '00000200'], ['of class 7', '00000700'], ['with number 100', '00000464']])('are refused %s', (_how, hex) => {
    expect(() => decode(errorCode, hex)).toThrow(malformed)
  })

  it('have a reason of at most 763 bytes when read', () => {
    expect(decode(errorCode, `00000400${'61'.repeat(2_000)}`).reason).toHaveLength(763)
  })

  it('list types', () => {
    expect(roundTrip(unknownAttributes, [3, 0x7fff])).toEqual([3, 0x7fff])
    expect(() => decode(unknownAttributes, '000300')).toThrow(malformed)
  })
})

describe('texts', () => {
  it.each([['USERNAME', username, 508], ['REALM', realm, 763], ['NONCE', nonce, 763], ['SOFTWARE', software, 763]] as const)('are bounded: %s', (_name, codec, max) => {
    expect(roundTrip(codec, 'a'.repeat(max))).toHaveLength(max)
    expect(() => roundTrip(codec, 'a'.repeat(max + 1))).toThrow(malformed)
    expect(() => decode(codec, '61'.repeat(max + 1))).toThrow(malformed)
  })

  it('are strict UTF-8', () => {
    expect(roundTrip(realm, 'マ')).toBe('マ')
    expect(() => decode(realm, 'ff')).toThrow(malformed)
  })
})

describe('IP addresses as bytes', () => {
  it('come back in the form of RFC 5952', () => {
    expect(ipFromBytes(ipToBytes('2001:DB8:0:0:0::1'))).toBe('2001:db8::1')
    expect([...ipToBytes('192.0.2.1')]).toEqual([192, 0, 2, 1])
  })

  it.each([['::1', '0:0::1', true], ['fe80::1%a', 'FE80::1%a', true], ['fe80::1%a', 'fe80::1%b', false], ['192.0.2.1', '192.0.2.1', true], ['192.0.2.1', '::ffff:192.0.2.1', false], ['', ':', false], [':', 'x:', false]])(
    'are one host or two: %s, %s', (one, other, isSame) => {
      expect(isSameHost(one, other)).toBe(isSame)
    })
})
