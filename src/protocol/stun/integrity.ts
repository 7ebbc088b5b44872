import { createHmac, timingSafeEqual } from 'node:crypto'
import { attributeHeaderBytes, type RawAttribute } from './attribute.js'
import { appendComputed, closingTypes, stunSizes, type StunMessage } from './message.js'

/** MESSAGE-INTEGRITY is HMAC-SHA1 (RFC 8489 section 14.5), MESSAGE-INTEGRITY-SHA256 its successor (14.6). */
export type IntegrityKind = 'sha1' | 'sha256'

const kinds = {
  sha1: { type: closingTypes.integrity, size: 20, minSize: 20 },
  sha256: { type: closingTypes.integritySha256, size: 32, minSize: 16 },
} as const

/** HMAC key of a short-term credential (RFC 8489 section 9.1.1): the password in normal form (RFC 8265 section 4.2). */
export const shortTermKey = (password: string): Buffer => Buffer.from(password.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC'))

/** `message` signed; before its FINGERPRINT. Throws ERR_MALFORMED above `stun.maxMessageBytes`. */
export function signMessage(message: Buffer, key: Buffer, kind: IntegrityKind = 'sha1'): Buffer {
  const { type, size } = kinds[kind]
  return appendComputed(message, type, size, covered => createHmac(kind, key).update(covered).digest())
}

/** What a message says about its sender: `absent` is not signed this way. SHA-256 values may be cut to 16 bytes (RFC 8489 section 14.6). */
export function verifyIntegrity(message: StunMessage, key: Buffer, kind: IntegrityKind = 'sha1'): 'valid' | 'wrong' | 'absent' {
  const { type, size, minSize } = kinds[kind]
  const found = message.attributes.find(attribute => attribute.type === type)
  if (found === undefined) return 'absent'
  const { value } = found
  if (value.length < minSize || value.length > size || value.length % 4 !== 0) return 'wrong'
  const expected = createHmac(kind, key).update(coveredBy(message, found)).digest().subarray(0, value.length)
  return timingSafeEqual(expected, value) ? 'valid' : 'wrong'
}

/** What comes before `last`, with a header that counts no further than to its end (RFC 8489 section 14.5). */
function coveredBy({ bytes }: StunMessage, last: RawAttribute): Buffer {
  const covered = Buffer.from(bytes.subarray(0, last.at))
  covered.writeUInt16BE(last.at + attributeHeaderBytes + last.value.length - stunSizes.header, 2)
  return covered
}
