import { createHash } from 'node:crypto'
import { examineKey } from './curve.js'
import { derElement, readDerElement } from './der.js'
import { type Identity, identityToPem, sign } from './identity.js'
import { encodePeerId } from './peer-id.js'

const sequence = 0x30
/** RFC 8410 section 3: Ed25519 as algorithm of key and signature. */
const ed25519Algorithm = Buffer.from('300506032b6570', 'hex')
/** SubjectPublicKeyInfo of RFC 8410 section 4 up to the 32 bytes of the key. */
const publicKeyPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const commonName = derElement(sequence, Buffer.from('0603550403', 'hex'), derElement(0x0c, Buffer.from('throughline')))
const name = derElement(sequence, derElement(0x31, commonName))
/** RFC 5280 section 4.1.2.5: 2020 as UTCTime, and the date that means "without end". The peer looks at neither. */
const validity = derElement(sequence, derElement(0x17, Buffer.from('200101000000Z')), derElement(0x18, Buffer.from('99991231235959Z')))
const version3 = Buffer.from('a003020102', 'hex')

/**
 * Makes the self-signed X.509 certificate (RFC 5280) that carries a node's key through TLS, and its private key, both as
 * PEM. The same identity always yields the same certificate. `key` is a secret.
 */
export function createCertificate(identity: Identity): { cert: string; key: string } {
  const serial = createHash('sha256').update(identity.publicKey).digest().subarray(0, 16)
  // A serial number is positive and minimal: first byte 0x40 to 0x7f.
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
  const publicKeyInfo = Buffer.concat([publicKeyPrefix, identity.publicKey])
  const body = derElement(sequence, version3, derElement(0x02, serial), ed25519Algorithm, name, validity, name, publicKeyInfo)
  const signature = derElement(0x03, Buffer.from([0]), sign(identity, body))
  const lines = derElement(sequence, body, ed25519Algorithm, signature).toString('base64').match(/.{1,64}/g) ?? []
  return {
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    key: identityToPem(identity),
  }
}

/** The tags before the key in RFC 5280's TBSCertificate: serial, signature, issuer, validity, subject. */
const tagsBeforeKey = [0x02, sequence, sequence, sequence, sequence]

/**
 * The node id of a raw DER certificate as TLS hands it over; undefined when its key is not an Ed25519 key acceptable by
 * protocol section 1. It walks the structure to the key and checks no signature: TLS did.
 */
export function peerIdOfCertificate(raw: Uint8Array): string | undefined {
  const whole = readDerElement(raw, 0, raw.length)
  if (whole?.tag !== sequence || whole.end !== raw.length) return undefined
  const body = readDerElement(raw, whole.start, whole.end)
  if (body?.tag !== sequence) return undefined
  const version = readDerElement(raw, body.start, body.end)
  let at = version?.tag === 0xa0 ? version.end : body.start
  for (const tag of tagsBeforeKey) {
    const element = readDerElement(raw, at, body.end)
    if (element?.tag !== tag) return undefined
    at = element.end
  }
  const keyStart = at + publicKeyPrefix.length
  if (keyStart + 32 > body.end || !publicKeyPrefix.equals(raw.subarray(at, keyStart))) return undefined
  const publicKey = raw.subarray(keyStart, keyStart + 32)
  return typeof examineKey(publicKey) === 'string' ? undefined : encodePeerId(publicKey)
}
