import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EnvelopeInput, isTagged, openEnvelope, sealEnvelope, tagIsValid } from '../../../src/protocol/envelope.js'
import { hpkeOpen, hpkeSeal } from '../../../src/protocol/hpke.js'
import { importSealingKey, montgomeryOf, sign } from '../../../src/protocol/identity.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import type { OfferMessage } from '../../../src/protocol/signal-message.js'
import { alice, anyMessage, bob, bytesOf, carol, hexId, u48 } from './arbitraries.js'

const info = Buffer.from('throughline/1 envelope')
const input: EnvelopeInput = {
  message: { type: 'cancel', session: '1'.repeat(32), attempt: '2'.repeat(32) },
  sender: alice,
  recipient: bob.publicKey,
  doorKey: bob.doorKey,
  messageId: '3'.repeat(32),
  timeMs: 1_700_000_000_000,
  ephemeralKey: importSealingKey(new Uint8Array(32).fill(9)),
}
const tagged = sealEnvelope(input)
const { doorKey: _, ...withoutDoorKey } = input
const untagged = sealEnvelope(withoutDoorKey)

/** Opens the seal, lets the letter be changed, seals and tags it again: what a malicious sender could do. */
const reseal = (change: (letter: Buffer) => Uint8Array): Buffer => {
  const recipientPublicKey = montgomeryOf(bob.publicKey)
  const parts = { enc: tagged.subarray(18, 50), ciphertext: tagged.subarray(50) }
  const letter = hpkeOpen({ recipientKey: bob.sealingKey, recipientPublicKey, info, ...parts })
  const sealed = hpkeSeal({ recipientPublicKey, info, ephemeralKey: input.ephemeralKey, plaintext: change(Buffer.from(letter ?? [])) })
  const rest = Buffer.concat([sealed.enc, sealed.ciphertext])
  return Buffer.concat([Uint8Array.of(1, 1), createHmac('sha256', bob.doorKey).update(rest).digest().subarray(0, 16), rest])
}
const flip = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
  return copy
}

describe('envelope', () => {
  it('gives the recipient the message and its sender', () => {
    fc.assert(
      fc.property(anyMessage, hexId, u48, bytesOf(32), fc.boolean(), (message, messageId, timeMs, ephemeralSecret, withTag) => {
        const envelope = sealEnvelope({ ...(withTag ? input : withoutDoorKey), message, messageId, timeMs, ephemeralKey: importSealingKey(ephemeralSecret) })
        expect(isTagged(envelope)).toBe(withTag)
        expect(tagIsValid(envelope, bob.doorKey)).toBe(withTag)
        const senderKey = Uint8Array.from(alice.publicKey)
        expect(openEnvelope(envelope, bob)).toEqual({ tagged: withTag, senderId: alice.id, senderKey, messageId, timeMs, message })
      }),
    )
  })

  it('holds an offer with every record it may have, and leaves more than half for later fields', () => {
    const record = (family: 4 | 6): InterfaceRecord => {
      const endpoint = { host: family === 4 ? '203.0.113.9' : '2001:db8:1:2:3:4:5:6', port: 65_535 }
      return { family, local: endpoint, external: endpoint, nat: { mapping: 'none', filtering: 'none', allocation: 'none', delta: 0 }, range: [1, 65_535] }
    }
    const records = ([4, 4, 4, 6, 6, 6] as const).map(record)
    const relay = { relayed: { host: '2001:db8:1:2:3:4:5:6', port: 65_535 }, server: { host: '2001:db8:1:2:3:4:5:7', port: 65_535 } }
    const message: OfferMessage = {
      type: 'offer', session: '1'.repeat(32), attempt: '2'.repeat(32), protocol: 'x'.repeat(255), strategies: ['direct', 'reverse', 'punch', 'relay'],
      interfaces: records, punch: records, relay: Array.from({ length: 4 }, () => relay), inbox: `tl/1/${'a'.repeat(32)}`, doorKey: alice.doorKey, machineTag: new Uint8Array(8), brokerRttMs: 1, nonce: new Uint8Array(16),
    }
    const envelope = sealEnvelope({ ...input, message })
    expect(openEnvelope(envelope, bob)?.message).toEqual(message)
    expect(envelope.length).toBeLessThan(4_096 / 2)
  })

  it('may be sent to oneself', () => {
    expect(openEnvelope(sealEnvelope({ ...withoutDoorKey, recipient: alice.publicKey }), alice)?.senderId).toBe(alice.id)
  })

  it('opens for nobody else', () => {
    expect(openEnvelope(untagged, carol)).toBeUndefined()
    expect(openEnvelope(untagged, alice)).toBeUndefined()
  })

  it('is dropped when its tag was made with another door key', () => {
    const envelope = sealEnvelope({ ...input, doorKey: carol.doorKey })
    expect(tagIsValid(envelope, bob.doorKey)).toBe(false)
    expect(openEnvelope(envelope, bob)).toBeUndefined()
  })

  it.each([['tagged', tagged], ['untagged', untagged]])('is dropped when %s and cut off anywhere', (_name, envelope) => {
    for (let length = 0; length < envelope.length; length++) expect(openEnvelope(envelope.subarray(0, length), bob)).toBeUndefined()
  })

  it.each([['tagged', tagged], ['untagged', untagged]])('is dropped when %s and any bit is flipped', (_name, envelope) => {
    for (let bit = 0; bit < envelope.length * 8; bit++) expect(openEnvelope(flip(envelope, bit), bob)).toBeUndefined()
  })

  it('is dropped when any bit of the letter was changed and sealed again', () => {
    const letterBits = (tagged.length - 50 - 16) * 8
    expect(openEnvelope(reseal((letter) => letter), bob)?.senderId).toBe(alice.id)
    for (let bit = 0; bit < letterBits; bit += 3) expect(openEnvelope(reseal((letter) => flip(letter, bit)), bob)).toBeUndefined()
  })

  it('is dropped when a letter to somebody else was sealed again for us', () => {
    const forCarol = sealEnvelope({ ...withoutDoorKey, recipient: carol.publicKey })
    const parts = { enc: forCarol.subarray(18, 50), ciphertext: forCarol.subarray(50) }
    const letter = hpkeOpen({ recipientKey: carol.sealingKey, recipientPublicKey: montgomeryOf(carol.publicKey), info, ...parts })
    expect(letter).toBeDefined()
    expect(openEnvelope(reseal(() => letter ?? new Uint8Array(0)), bob)).toBeUndefined()
  })

  it('is dropped when the letter ends anywhere too early', () => {
    for (let length = 0; length < tagged.length - 66; length++) expect(openEnvelope(reseal((letter) => letter.subarray(0, length)), bob)).toBeUndefined()
  })

  it('is dropped when its type is unknown, though properly signed', () => {
    const envelope = reseal((letter) => {
      const rest = Buffer.from(letter.subarray(96))
      rest.writeUInt8(11, 0)
      const signature = sign(alice, Buffer.concat([Buffer.from('throughline/1 letter'), bob.publicKey, alice.publicKey, rest]))
      return Buffer.concat([alice.publicKey, signature, rest])
    })
    expect(openEnvelope(envelope, bob)).toBeUndefined()
  })

  it('is dropped when its sender key is of small order, for which anybody can sign', () => {
    const neutral = Buffer.concat([Uint8Array.of(1), new Uint8Array(31)])
    expect(openEnvelope(reseal((letter) => Buffer.concat([neutral, neutral, new Uint8Array(32), letter.subarray(96)])), bob)).toBeUndefined()
  })

  it('is dropped above 4,096 bytes', () => {
    const long = reseal((letter) => Buffer.concat([letter, new Uint8Array(4_096)]))
    expect(tagIsValid(long, bob.doorKey)).toBe(false)
    expect(openEnvelope(long, bob)).toBeUndefined()
  })

  it('never makes the reader throw, whatever the bytes', () => {
    const random = fc.oneof(fc.uint8Array({ maxLength: 5_000 }), fc.uint8Array({ minLength: 180, maxLength: 400 }).map((rest) => Buffer.concat([Uint8Array.of(1, 0), new Uint8Array(16), rest])))
    fc.assert(fc.property(random, (bytes) => void expect(openEnvelope(bytes, bob)).toBeUndefined()))
  })

  it('is not sealed to a key nobody holds', () => {
    const neutral = Buffer.concat([Uint8Array.of(1), new Uint8Array(31)])
    expect(() => sealEnvelope({ ...input, recipient: neutral })).toThrow(expect.objectContaining({ code: 'ERR_ADDRESS_INVALID' }) as Error)
  })
})
