import { createHmac, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ThroughlineError } from '../../../src/errors/index.js'
import { identityFromPem, identityFromSeed, identityToPem, importSealingKey, montgomeryOf, sign, verify } from '../../../src/protocol/identity.js'
import { machineTag } from '../../../src/protocol/machine-tag.js'
import { alice, bob } from './arbitraries.js'

const hex = (text: string) => Buffer.from(text, 'hex')
const rawPublic = (key: KeyObject) => Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url')
const invalid = expect.objectContaining({ code: 'ERR_IDENTITY_INVALID' }) as Error

// RFC 8032 section 7.1, tests 1 to 3.
const rfc8032 = [
  ['9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '', 'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'],
  ['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72', '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'],
  ['c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7', 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82', '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'],
] as const

describe('identity', () => {
  it.each(rfc8032)('signs and checks the RFC 8032 vector of seed %s', (seed, publicKey, message, signature) => {
    const identity = identityFromSeed(hex(seed))
    expect(Buffer.from(identity.publicKey).toString('hex')).toBe(publicKey)
    expect(sign(identity, hex(message)).toString('hex')).toBe(signature)
    expect(verify(hex(publicKey), hex(message), hex(signature))).toBe(true)
    expect(verify(hex(publicKey), hex(`${message}00`), hex(signature))).toBe(false)
    expect(verify(hex(publicKey), hex(message), hex(signature).subarray(1))).toBe(false)
  })

  it('computes X25519 as RFC 7748 section 6.1 does', () => {
    const a = importSealingKey(hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'))
    const b = importSealingKey(hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'))
    expect(rawPublic(a).toString('hex')).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    expect(rawPublic(b).toString('hex')).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
    const shared = diffieHellman({ privateKey: a, publicKey: createPublicKey(b) })
    expect(shared.toString('hex')).toBe('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742')
  })

  it('derives a sealing key whose public half is the Montgomery form of its public key', () => {
    for (const identity of [alice, bob, ...rfc8032.map(([seed]) => identityFromSeed(hex(seed)))]) {
      expect(rawPublic(identity.sealingKey)).toEqual(Buffer.from(montgomeryOf(identity.publicKey)))
    }
  })

  it('derives the door key by HKDF as RFC 5869 spells it out', () => {
    const extracted = createHmac('sha256', '').update(new Uint8Array(32).fill(1)).digest()
    const expanded = createHmac('sha256', extracted).update('throughline/1 door key').update(Uint8Array.of(1)).digest()
    expect(Buffer.from(alice.doorKey)).toEqual(expanded.subarray(0, 16))
  })

  it('survives being written as PEM', () => {
    const copy = identityFromPem(identityToPem(alice))
    expect([copy.id, Buffer.from(copy.doorKey)]).toEqual([alice.id, Buffer.from(alice.doorKey)])
  })

  it.each([
    ['no PEM', () => 'hello'],
    ['a public key', () => createPublicKey(alice.privateKey).export({ format: 'pem', type: 'spki' }).toString()],
    ['an X25519 key', () => generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()],
    ['an encrypted key', () => alice.privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()],
  ])('is not read from %s', (_, pem) => {
    expect(() => identityFromPem(pem())).toThrow(invalid)
  })

  it('is not made of a short seed', () => {
    expect(() => identityFromSeed(new Uint8Array(31))).toThrow(invalid)
  })

  it('verifies nothing for a small-order key and has no Montgomery form of it', () => {
    const neutral = new Uint8Array(32)
    neutral[0] = 1
    // R = neutral, S = 0 satisfies the equation of RFC 8032 for the neutral key and any message.
    expect(verify(neutral, hex('00'), Buffer.concat([neutral, new Uint8Array(32)]))).toBe(false)
    expect(() => montgomeryOf(neutral)).toThrow(ThroughlineError)
  })
})

describe('machine tag', () => {
  it('is equal for the same secret and key, and differs for others', () => {
    const secret = Buffer.from('boot:1')
    expect(machineTag(secret, alice.publicKey)).toHaveLength(8)
    expect(machineTag(secret, alice.publicKey)).toEqual(machineTag(secret, alice.publicKey))
    expect(machineTag(secret, alice.publicKey)).not.toEqual(machineTag(secret, bob.publicKey))
    expect(machineTag(Buffer.from('boot:2'), alice.publicKey)).not.toEqual(machineTag(secret, alice.publicKey))
  })
})
