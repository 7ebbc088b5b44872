import { describe, expect, it } from 'vitest'
import { encodeBase32 } from '../../../src/protocol/base32.js'
import { decodePeerId, encodePeerId, isPeerId } from '../../../src/protocol/peer-id.js'
import { alice } from './arbitraries.js'

const refusal = (message: RegExp) => expect.objectContaining({ code: 'ERR_ADDRESS_INVALID', message: expect.stringMatching(message) as string }) as Error
const littleEndian = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
const p = 2n ** 255n - 19n
const signBit = 2n ** 255n

// The eight points of small order; the four of order 8 by their published encodings.
const smallOrder = [
  littleEndian(1n),
  littleEndian(p - 1n),
  littleEndian(0n),
  littleEndian(signBit),
  ...['26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85'].map((h) => Buffer.from(h, 'hex')),
  ...['c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'].map((h) => Buffer.from(h, 'hex')),
]

describe('peer id', () => {
  it('is 52 characters that give back the key', () => {
    expect(alice.id).toMatch(/^[a-z2-7]{52}$/)
    expect(Buffer.from(decodePeerId(alice.id))).toEqual(Buffer.from(alice.publicKey))
    expect(isPeerId(alice.id)).toBe(true)
  })

  it.each([
    ['its length', /has 52 characters, not 51/, alice.id.slice(1)],
    ['a character', /Character 3 /, `${alice.id.slice(0, 2)}1${alice.id.slice(3)}`],
    ['upper case', /Character 1 /, alice.id.toUpperCase()],
    ['trailing bits', /last character/, `${alice.id.slice(0, 51)}b`],
    ['a coordinate of p', /canonical form of a public key/, encodeBase32(littleEndian(p))],
    ['a coordinate above p that would be of small order', /canonical form/, encodeBase32(littleEndian(p + 1n))],
    ['a point that is not on the curve', /canonical form/, encodeBase32(littleEndian(2n))],
    ['the sign of zero', /canonical form/, encodeBase32(littleEndian(1n + signBit))],
    ['the other sign of zero', /canonical form/, encodeBase32(littleEndian(p - 1n + signBit))],
  ])('is refused for %s', (_, message, id) => {
    expect(() => decodePeerId(id)).toThrow(refusal(message))
    expect(isPeerId(id)).toBe(false)
  })

  it.each(smallOrder.map((key) => [key.toString('hex'), key] as const))('is refused for the small-order key %s', (_, key) => {
    expect(() => decodePeerId(encodeBase32(key))).toThrow(refusal(/small order/))
  })

  it('is not made of anything but 32 bytes', () => {
    expect(() => encodePeerId(new Uint8Array(31))).toThrow(refusal(/32 bytes, not 31/))
  })
})
