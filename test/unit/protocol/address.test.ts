import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AddressRecord, decodeAddress, decodeAddressBytes, encodeAddress, encodeAddressBytes, looksLikeAddress } from '../../../src/protocol/address.js'
import { encodeBase32 } from '../../../src/protocol/base32.js'
import { encodeFields } from '../../../src/protocol/fields.js'
import { sign } from '../../../src/protocol/identity.js'
import { alice, bob, bytesOf, interfaces, u48 } from './arbitraries.js'

const record: Omit<AddressRecord, 'id'> = {
  sequence: 1_700_000_000_000,
  brokers: ['mqtt://127.0.0.1:1883', 'wss://broker.example:443/mqtt'],
  doorKey: alice.doorKey,
  machineTag: new Uint8Array(8).fill(7),
  interfaces: [{ family: 4, local: { host: '192.168.1.2', port: 7_001 } }],
}
const text = encodeAddress(record, alice)
const refused = (code: string) => expect.objectContaining({ code }) as Error
const coded = expect.objectContaining({ code: expect.stringMatching(/^ERR_ADDRESS_(INVALID|SIGNATURE)$/) as string }) as Error
const anyRecord = fc.record({
  sequence: u48,
  brokers: fc.array(fc.constantFrom('mqtt://a:1883', 'mqtts://b.example:8883', 'ws://[2001:db8::1]:80/mqtt'), { maxLength: 4 }),
  doorKey: bytesOf(16),
  machineTag: bytesOf(8),
  interfaces,
})

/** An address whose fields are made by hand but properly signed. */
const signed = (fields: readonly (readonly [number, Uint8Array])[]): Buffer => {
  const table = Object.fromEntries(fields.map(([tag], index) => [`f${index}`, { tag, min: 0, max: 2_000 }]))
  const body = Buffer.concat([alice.publicKey, encodeFields(table, fields.map(([, value], index) => [`f${index}`, value]))])
  return Buffer.concat([body, sign(alice, Buffer.concat([Buffer.from('throughline/1 address'), body]))])
}
const basics = [[1, new Uint8Array(6)], [3, new Uint8Array(16)], [4, new Uint8Array(8)]] as const

describe('address', () => {
  it('gives back its record and the id of its signer', () => {
    fc.assert(fc.property(anyRecord, (value) => void expect(decodeAddress(encodeAddress(value, alice))).toEqual({ ...value, id: alice.id })))
  })

  it('is lower-case text that may be given in any case', () => {
    expect(text).toMatch(/^tl1[a-z2-7]+$/)
    expect(decodeAddress(text.toUpperCase())).toEqual(decodeAddress(text))
    expect([looksLikeAddress(text), looksLikeAddress('TL1x'), looksLikeAddress(alice.id), looksLikeAddress('')]).toEqual([true, true, false, false])
  })

  it('never carries credentials', () => {
    const written = encodeAddressBytes({ ...record, brokers: ['mqtt://user:hunter2@b'] }, alice)
    expect(written.includes('hunter2')).toBe(false)
    expect(decodeAddressBytes(written).brokers).toEqual(['mqtt://b:1883'])
  })

  it('is refused when cut off anywhere', () => {
    for (let length = 0; length < text.length; length++) expect(() => decodeAddress(text.slice(0, length))).toThrow(coded)
    const bytes = encodeAddressBytes(record, alice)
    for (let length = 0; length < bytes.length; length++) expect(() => decodeAddressBytes(bytes.subarray(0, length))).toThrow(coded)
  })

  it('is refused with any bit flipped', () => {
    const bytes = encodeAddressBytes(record, alice)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(() => decodeAddressBytes(changed)).toThrow(coded)
    }
  })

  it('is refused under another key by its signature', () => {
    const bytes = encodeAddressBytes(record, alice)
    bytes.set(bob.publicKey)
    expect(() => decodeAddressBytes(bytes)).toThrow(refused('ERR_ADDRESS_SIGNATURE'))
  })

  it('keeps working when later versions add fields', () => {
    expect(decodeAddressBytes(signed([...basics, [200, new Uint8Array(9)]])).id).toBe(alice.id)
  })

  it.each([
    ['a missing door key', [basics[0], basics[2]]],
    ['a repeated sequence', [...basics, basics[0]]],
    ['five brokers', [...basics, ...Array.from({ length: 5 }, () => [2, Buffer.from('mqtt://b:1')] as const)]],
    ['a broker with credentials', [...basics, [2, Buffer.from('mqtt://u:p@b:1')]]],
    ['a broker that is no URL', [...basics, [2, Buffer.from('b')]]],
    ['a broker that is no UTF-8', [...basics, [2, Uint8Array.of(0xff)]]],
    ['a malformed interface', [...basics, [5, Uint8Array.of(9, 9)]]],
    ['more than 1,024 bytes', [...basics, [200, new Uint8Array(1_000)]]],
  ] as const)('is refused with %s, though properly signed', (_, fields) => {
    expect(() => decodeAddressBytes(signed(fields))).toThrow(refused('ERR_ADDRESS_INVALID'))
  })

  it.each([
    ['another prefix', `tl2${text.slice(3)}`],
    ['an id', alice.id],
    ['a foreign character', `${text.slice(0, 40)}!${text.slice(41)}`],
    ['a key of small order', `tl1${encodeBase32(Buffer.concat([Uint8Array.of(1), new Uint8Array(150)]))}`],
    ['a megabyte', `tl1${'a'.repeat(1_000_000)}`],
  ])('is refused for %s, naming what is wrong in few words', (_, given) => {
    expect(() => decodeAddress(given)).toThrow(refused('ERR_ADDRESS_INVALID'))
    expect(() => decodeAddress(given)).toThrow(/^.{10,120}$/)
  })

  it('is refused by code, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1_500 }), (bytes) => void expect(() => decodeAddressBytes(bytes)).toThrow(coded)))
    fc.assert(fc.property(fc.string(), (given) => void expect(() => decodeAddress(`tl1${given}`)).toThrow(coded)))
  })
})
