import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hpkeOpen, hpkeSeal } from '../../../src/protocol/hpke.js'
import { importSealingKey } from '../../../src/protocol/identity.js'
import { bytesOf } from './arbitraries.js'

const hex = (text: string) => Buffer.from(text, 'hex')

// RFC 9180 appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, base mode, sequence number 0.
const vector = {
  info: hex('4f6465206f6e2061204772656369616e2055726e'),
  skEm: hex('f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600'),
  pkRm: hex('4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a'),
  skRm: hex('8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb'),
  enc: hex('1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a'),
  aad: hex('436f756e742d30'),
  plaintext: hex('4265617574792069732074727574682c20747275746820626561757479'),
  ciphertext: hex('1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28'),
}
const recipientKey = importSealingKey(vector.skRm)
const opening = { recipientKey, recipientPublicKey: vector.pkRm, enc: vector.enc, info: vector.info, aad: vector.aad, ciphertext: vector.ciphertext }

describe('HPKE', () => {
  it('seals the RFC 9180 vector', () => {
    const { enc, ciphertext } = hpkeSeal({ ...vector, recipientPublicKey: vector.pkRm, ephemeralKey: importSealingKey(vector.skEm) })
    expect(Buffer.from(enc)).toEqual(vector.enc)
    expect(Buffer.from(ciphertext)).toEqual(vector.ciphertext)
  })

  it('opens the RFC 9180 vector', () => {
    expect(hpkeOpen(opening)).toEqual(vector.plaintext)
  })

  it('gives back whatever it sealed', () => {
    fc.assert(
      fc.property(bytesOf(32), fc.uint8Array({ maxLength: 3_000 }), fc.uint8Array({ maxLength: 30 }), (ephemeralSecret, plaintext, info) => {
        const sealed = hpkeSeal({ recipientPublicKey: vector.pkRm, ephemeralKey: importSealingKey(ephemeralSecret), info, plaintext })
        expect(hpkeOpen({ recipientKey, recipientPublicKey: vector.pkRm, info, ...sealed })).toEqual(Buffer.from(plaintext))
      }),
    )
  })

  it.each(['enc', 'info', 'aad', 'ciphertext'] as const)('opens nothing when one bit of %s is flipped', (part) => {
    for (let bit = 0; bit < opening[part].length * 8; bit++) {
      const changed = Buffer.from(opening[part])
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(hpkeOpen({ ...opening, [part]: changed })).toBeUndefined()
    }
  })

  it('opens nothing that was cut off', () => {
    for (let length = 0; length < vector.ciphertext.length; length++) {
      expect(hpkeOpen({ ...opening, ciphertext: vector.ciphertext.subarray(0, length) })).toBeUndefined()
    }
  })

  // RFC 7748 section 6.1: these make the shared secret zero whatever the key.
  it.each(['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`])('opens nothing for the small-order key %s', (enc) => {
    expect(hpkeOpen({ ...opening, enc: hex(enc) })).toBeUndefined()
  })

  it('computes the public key of the vector', () => {
    expect(createPublicKey(recipientKey).export({ format: 'jwk' }).x).toBe(vector.pkRm.toString('base64url'))
  })
})
