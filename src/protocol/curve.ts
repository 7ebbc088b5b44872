import { createPublicKey, type KeyObject } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { defaults } from '../config/defaults.js'

/** A public key that passed the checks of protocol section 1, in the forms the protocol computes with. */
export interface CurveKey {
  /** X25519 form, 32 bytes (RFC 7748 section 4.1). */
  readonly montgomery: Uint8Array
  /** For checking Ed25519 signatures. */
  readonly verifyKey: KeyObject
}

/** Why 32 bytes are not the public key of anybody. */
export type KeyFault = 'length' | 'encoding' | 'small-order'

/** Least recently used first; bounded by `defaults.protocol.curveCacheEntries`. Only keys without fault enter. */
const cache = new Map<string, CurveKey>()

/**
 * Checks an Ed25519 public key (canonical point encoding per RFC 8032 section 5.1.3, not of small order) and returns its
 * forms. A key seen lately costs a look-up, a new one about 0.1 ms.
 */
export function examineKey(publicKey: Uint8Array): CurveKey | KeyFault {
  if (publicKey.length !== 32) return 'length'
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, 32).toString('latin1')
  const known = cache.get(name)
  const key = known ?? computeKey(publicKey)
  if (typeof key === 'string') return key
  if (known !== undefined) cache.delete(name)
  else if (cache.size >= defaults.protocol.curveCacheEntries) cache.delete(cache.keys().next().value ?? '')
  cache.set(name, key)
  return key
}

function computeKey(publicKey: Uint8Array): CurveKey | KeyFault {
  let point
  try {
    point = ed25519.Point.fromBytes(Uint8Array.from(publicKey))
  } catch {
    return 'encoding'
  }
  if (point.isSmallOrder()) return 'small-order'
  // RFC 7748 section 4.1: u = (1 + y) / (1 - y); y = 1 is the neutral element, which has small order.
  const field = ed25519.Point.Fp
  const { y } = point
  const montgomery = field.toBytes(field.div(field.add(1n, y), field.sub(1n, y)))
  const x = Buffer.from(publicKey).toString('base64url')
  return { montgomery, verifyKey: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }) }
}
