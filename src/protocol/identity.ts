import { createHash, createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign as signWith, verify as verifyWith } from 'node:crypto'
import { ThroughlineError } from '../errors/index.js'
import { examineKey } from './curve.js'
import { encodePeerId } from './peer-id.js'

/** A node's key pair and what is derived from it. Holds secrets: never log it. */
export interface Identity {
  /** The node id: base32 of the public key. */
  readonly id: string
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly privateKey: KeyObject
  /** 16 bytes: whoever holds it was given the address (protocol section 1). */
  readonly doorKey: Uint8Array
  /** The X25519 private key that opens envelopes. */
  readonly sealingKey: KeyObject
}

// PKCS #8 of RFC 8410 section 7 up to the 32 bytes of the key.
const ed25519Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const x25519Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const importKey = (prefix: Buffer, secret: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([prefix, secret]), format: 'der', type: 'pkcs8' })

/** Imports 32 raw bytes as an X25519 private key. */
export const importSealingKey = (secret: Uint8Array): KeyObject => importKey(x25519Prefix, secret)

/** Makes the identity of a 32-byte seed (the private key of RFC 8032); throws ERR_IDENTITY_INVALID for another length. */
export function identityFromSeed(seed: Uint8Array): Identity {
  if (seed.length !== 32) throw new ThroughlineError('ERR_IDENTITY_INVALID', `A seed has 32 bytes, not ${seed.length}.`)
  const privateKey = importKey(ed25519Prefix, seed)
  const publicKey = Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', 'base64url')
  return {
    id: encodePeerId(publicKey),
    publicKey,
    privateKey,
    doorKey: new Uint8Array(hkdfSync('sha256', seed, '', 'throughline/1 door key', 16)),
    // RFC 8032 section 5.1.5: the scalar is the first half of the hash; X25519 clamps it the same way.
    sealingKey: importSealingKey(createHash('sha512').update(seed).digest().subarray(0, 32)),
  }
}

/** Reads an Ed25519 private key in PEM form (PKCS #8); throws ERR_IDENTITY_INVALID for anything else. */
export function identityFromPem(pem: string): Identity {
  let seed: string | undefined
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') seed = key.export({ format: 'jwk' }).d
  } catch (cause) {
    throw new ThroughlineError('ERR_IDENTITY_INVALID', 'There is no readable private key in PEM form.', { cause })
  }
  if (seed === undefined) throw new ThroughlineError('ERR_IDENTITY_INVALID', 'The private key is not an Ed25519 key.')
  return identityFromSeed(Buffer.from(seed, 'base64url'))
}

/** Writes the private key as PEM (PKCS #8), what `identityFromPem` reads. A secret. */
export const identityToPem = (identity: Identity): string => identity.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()

/** Signs bytes with Ed25519: 64 bytes. */
export const sign = (identity: Identity, bytes: Uint8Array): Buffer => signWith(null, bytes, identity.privateKey)

/** Checks an Ed25519 signature. False, never an error, also for keys that protocol section 1 refuses. */
export function verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = examineKey(publicKey)
  return typeof key !== 'string' && signature.length === 64 && verifyWith(null, bytes, key.verifyKey, signature)
}

/**
 * The X25519 form of an Ed25519 public key, 32 bytes, not to be modified; throws ERR_ADDRESS_INVALID for keys that
 * protocol section 1 refuses. The last 1,024 keys (`defaults.protocol.curveCacheEntries`) are remembered.
 */
export function montgomeryOf(publicKey: Uint8Array): Uint8Array {
  const key = examineKey(publicKey)
  if (typeof key === 'string') throw new ThroughlineError('ERR_ADDRESS_INVALID', `A public key is refused: ${key}.`)
  return key.montgomery
}
