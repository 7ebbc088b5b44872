import { attributeHeaderBytes } from './attribute.js'
import { appendComputed, closingTypes, type StunMessage } from './message.js'

/** `message` with the last attribute it can have (RFC 8489 section 14.7). */
export const addFingerprint = (message: Buffer): Buffer =>
  appendComputed(message, closingTypes.fingerprint, fingerprintBytes, fingerprintOf)

/** Whether a message has a FINGERPRINT, and a right one at its end. */
export function verifyFingerprint({ attributes, bytes }: StunMessage): 'valid' | 'wrong' | 'absent' {
  const found = attributes.find(({ type }) => type === closingTypes.fingerprint)
  if (found === undefined) return 'absent'
  const { at, value } = found
  const isLast = value.length === fingerprintBytes && at + attributeHeaderBytes + fingerprintBytes === bytes.length
  return isLast && value.equals(fingerprintOf(bytes.subarray(0, at))) ? 'valid' : 'wrong'
}

const fingerprintBytes = 4

/** CRC-32 XOR "STUN". */
function fingerprintOf(covered: Uint8Array): Buffer {
  const value = Buffer.alloc(fingerprintBytes)
  value.writeUInt32BE((crc32(covered) ^ 0x5354554e) >>> 0)
  return value
}

/** ITU V.42. Node has one of its own since 22.2. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0)
  return ~crc >>> 0
}

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value >>> 0
})
