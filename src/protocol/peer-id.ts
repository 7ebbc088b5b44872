import { ThroughlineError } from '../errors/index.js'
import { decodeBase32, encodeBase32 } from './base32.js'
import { examineKey, type KeyFault } from './curve.js'

/** Base32 characters of 32 bytes. */
const idLength = 52

const faults: Readonly<Record<KeyFault, string>> = {
  length: 'has the wrong length',
  encoding: 'is not the canonical form of a public key',
  'small-order': 'is a key of small order, which belongs to nobody',
}

/** Writes a 32-byte Ed25519 public key as a node id, 52 characters; throws ERR_ADDRESS_INVALID for another length. */
export function encodePeerId(publicKey: Uint8Array): string {
  if (publicKey.length !== 32) throw invalid(`A public key has 32 bytes, not ${publicKey.length}.`)
  return encodeBase32(publicKey)
}

/** Reads a node id into its public key; throws ERR_ADDRESS_INVALID, saying what is wrong (protocol section 1). */
export function decodePeerId(id: string): Uint8Array {
  if (id.length !== idLength) throw invalid(`A peer id has ${idLength} characters, not ${id.length}.`)
  const wrong = id.search(/[^a-z2-7]/)
  if (wrong >= 0) throw invalid(`Character ${wrong + 1} of the peer id cannot occur: ids consist of a-z and 2-7.`)
  const publicKey = decodeBase32(id)
  if (publicKey === undefined) throw invalid('The last character of the peer id is not canonical.')
  const key = examineKey(publicKey)
  if (typeof key === 'string') throw invalid(`The peer id ${faults[key]}.`)
  return publicKey
}

/** Tells whether a text is a node id that `decodePeerId` accepts. */
export function isPeerId(text: string): boolean {
  try {
    decodePeerId(text)
    return true
  } catch {
    return false
  }
}

const invalid = (message: string): ThroughlineError => new ThroughlineError('ERR_ADDRESS_INVALID', message)
