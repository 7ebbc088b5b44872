import { createCipheriv, createDecipheriv, createHmac, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'

// RFC 9180 section 7: DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, ChaCha20-Poly1305 0x0003.
const kemSuite = Buffer.from('KEM\x00\x20', 'latin1')
const hpkeSuite = Buffer.from('HPKE\x00\x20\x00\x01\x00\x03', 'latin1')
const version = Buffer.from('HPKE-v1')
const empty = new Uint8Array(0)
const cipher = 'chacha20-poly1305'
const tagBytes = 16

/** What `hpkeSeal` works on; raw keys are X25519 keys of 32 bytes. */
export interface SealInput {
  readonly recipientPublicKey: Uint8Array
  /** A fresh X25519 key, used for one message and then forgotten. */
  readonly ephemeralKey: KeyObject
  readonly info: Uint8Array
  readonly plaintext: Uint8Array
  /** Authenticated but not sent; the protocol uses none. */
  readonly aad?: Uint8Array
}

/** What `hpkeOpen` works on. */
export interface OpenInput {
  readonly recipientKey: KeyObject
  /** The public half of `recipientKey`, 32 bytes. */
  readonly recipientPublicKey: Uint8Array
  readonly enc: Uint8Array
  readonly info: Uint8Array
  readonly ciphertext: Uint8Array
  readonly aad?: Uint8Array
}

/** Encrypts one message to a public key: HPKE base mode, single shot (RFC 9180 section 6.1). `enc` has 32 bytes, the ciphertext 16 more than the text. */
export function hpkeSeal(input: SealInput): { enc: Uint8Array; ciphertext: Uint8Array } {
  const enc = Buffer.from(createPublicKey(input.ephemeralKey).export({ format: 'jwk' }).x ?? '', 'base64url')
  const shared = diffieHellman({ privateKey: input.ephemeralKey, publicKey: importPublicKey(input.recipientPublicKey) })
  const { key, nonce } = schedule(shared, enc, input.recipientPublicKey, input.info)
  const sealing = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes })
  sealing.setAAD(input.aad ?? empty, { plaintextLength: input.plaintext.length })
  return { enc, ciphertext: Buffer.concat([sealing.update(input.plaintext), sealing.final(), sealing.getAuthTag()]) }
}

/** Decrypts what `hpkeSeal` made for this key; undefined for anything else. */
export function hpkeOpen(input: OpenInput): Uint8Array | undefined {
  const { ciphertext } = input
  if (ciphertext.length < tagBytes || input.enc.length !== 32) return undefined
  try {
    // Throws for an `enc` of small order: the shared secret would be zero (RFC 9180 section 7.1.4).
    const shared = diffieHellman({ privateKey: input.recipientKey, publicKey: importPublicKey(input.enc) })
    const { key, nonce } = schedule(shared, input.enc, input.recipientPublicKey, input.info)
    const opening = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes })
    opening.setAAD(input.aad ?? empty, { plaintextLength: ciphertext.length - tagBytes })
    opening.setAuthTag(ciphertext.subarray(-tagBytes))
    return Buffer.concat([opening.update(ciphertext.subarray(0, -tagBytes)), opening.final()])
  } catch {
    return undefined
  }
}

const importPublicKey = (bytes: Uint8Array): KeyObject =>
  createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(bytes).toString('base64url') }, format: 'jwk' })

/** ExtractAndExpand of section 4.1, then KeySchedule of section 5.1 in base mode, for the first sequence number. */
function schedule(dh: Uint8Array, enc: Uint8Array, recipient: Uint8Array, info: Uint8Array): { key: Buffer; nonce: Buffer } {
  const extracted = labeledExtract(kemSuite, empty, 'eae_prk', dh)
  const shared = labeledExpand(kemSuite, extracted, 'shared_secret', Buffer.concat([enc, recipient]), 32)
  const pskIdHash = labeledExtract(hpkeSuite, empty, 'psk_id_hash', empty)
  const infoHash = labeledExtract(hpkeSuite, empty, 'info_hash', info)
  const context = Buffer.concat([Buffer.from([0]), pskIdHash, infoHash])
  const secret = labeledExtract(hpkeSuite, shared, 'secret', empty)
  return { key: labeledExpand(hpkeSuite, secret, 'key', context, 32), nonce: labeledExpand(hpkeSuite, secret, 'base_nonce', context, 12) }
}

const labeledExtract = (suite: Buffer, salt: Uint8Array, label: string, key: Uint8Array): Buffer =>
  createHmac('sha256', salt).update(version).update(suite).update(label).update(key).digest()

/** One block of HKDF-Expand (RFC 5869): enough for the at most 32 bytes asked for here. */
function labeledExpand(suite: Buffer, secret: Buffer, label: string, info: Uint8Array, length: number): Buffer {
  const hmac = createHmac('sha256', secret).update(Buffer.from([0, length])).update(version).update(suite).update(label).update(info)
  return hmac.update(Buffer.from([1])).digest().subarray(0, length)
}
