import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeSntp, encodeSntp, encodeSntpRequest, fromNtpTime, sntpBytes, toNtpTime, type SntpPacket } from '../../../src/protocol/sntp.js'

/** Captured on loopback from chronyd 4.3 (Debian 12), `local stratum 3`, 2026-11-20, as the answer to the nonce 1234567890abcdef. */
const captured = Buffer.from('240300e600000000000000007f7f0101eeaaf674da69e29c1234567890abcdefeeaaf676560055e1eeaaf6765605efaa', 'hex')

const time = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const shortMs = fc.nat(2 ** 32 - 1).map(value => (value * 1_000) / 2 ** 16)
const packets: fc.Arbitrary<SntpPacket> = fc.record({
  leap: fc.nat(3), version: fc.nat(7), mode: fc.nat(7), stratum: fc.nat(255), poll: fc.integer({ min: -128, max: 127 }), precision: fc.integer({ min: -128, max: 127 }),
  rootDelayMs: shortMs, rootDispersionMs: shortMs, referenceId: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  referenceTime: time, originTime: time, receiveTime: time, transmitTime: time,
})

describe('the SNTP header', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(packets, packet => {
        expect(decodeSntp(encodeSntp(packet))).toEqual(packet)
      }),
    )
  })

  it('reads what chronyd sends, and writes the same bytes', () => {
    const packet = decodeSntp(captured)
    expect(packet).toMatchObject({ leap: 0, version: 4, mode: 4, stratum: 3, poll: 0, precision: -26, rootDelayMs: 0, rootDispersionMs: 0, originTime: 0x1234567890abcdefn })
    expect(new Date(fromNtpTime(packet.transmitTime, Date.UTC(2026, 0, 1))).toISOString()).toBe('2026-11-20T16:40:22.336Z')
    expect(encodeSntp(packet)).toEqual(captured)
  })

  it('is refused when it is truncated anywhere', () => {
    for (let length = 0; length < sntpBytes; length++) expect(() => decodeSntp(captured.subarray(0, length))).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED' }))
  })

  it('is read without what follows it', () => {
    expect(decodeSntp(Buffer.concat([captured, Buffer.alloc(20, 7)]))).toEqual(decodeSntp(captured))
  })

  it('is not written with values that do not fit', () => {
    expect(() => encodeSntp({ ...decodeSntp(captured), rootDelayMs: 65_536_000 })).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED' }))
  })
})

describe('a request', () => {
  it('carries the nonce as its transmit timestamp and nothing else', () => {
    const request = encodeSntpRequest(Buffer.from('0123456789abcdef', 'hex'))
    expect(request.toString('hex')).toBe(`23${'00'.repeat(39)}0123456789abcdef`)
  })

  it('needs a nonce of 8 bytes', () => {
    expect(() => encodeSntpRequest(Buffer.alloc(7))).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED' }))
  })
})

describe('timestamps', () => {
  it.each([
    ['1970-01-01T00:00:00.000Z', 0x83aa7e80_00000000n],
    ['2036-02-07T06:28:15.500Z', 0xffffffff_80000000n],
    ['2036-02-07T06:28:16.000Z', 0n],
    ['2036-02-07T06:28:17.250Z', 0x1_40000000n],
  ])('of %s are those of RFC 5905 section 6', (text, expected) => {
    expect(toNtpTime(Date.parse(text))).toBe(expected)
    expect(fromNtpTime(expected, Date.UTC(2030, 0, 1))).toBe(Date.parse(text))
  })

  it('come back to the microsecond across eras, read by a clock that is up to 68 years off', () => {
    const unixMs = fc.double({ min: Date.UTC(1950, 0, 1), max: Date.UTC(2150, 0, 1), noNaN: true })
    const offMs = fc.integer({ min: -68 * 365.24 * 86_400_000, max: 68 * 365.24 * 86_400_000 })
    fc.assert(
      fc.property(unixMs, offMs, (moment, off) => {
        expect(Math.abs(fromNtpTime(toNtpTime(moment), moment + off) - moment)).toBeLessThan(0.002)
      }),
    )
  })
})
