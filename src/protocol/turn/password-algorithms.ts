import { ThroughlineError } from '../../errors/index.js'
import type { AttributeCodec } from '../stun/attribute.js'

/** How passwords become keys (RFC 8489 section 18.5). */
export const passwordAlgorithmNumbers = { md5: 0x0001, sha256: 0x0002 } as const

/** Number, length of parameters; the known ones have none. */
const entryBytes = 4

/** What a server knows, best first, as a client sends it back to show that nobody has shortened it (RFC 8489 sections 9.2.4, 14.11). */
export const passwordAlgorithms: AttributeCodec<readonly number[]> = {
  type: 0x8002,
  encode: numbers => Buffer.concat(numbers.map(number => Buffer.from([number >> 8, number & 0xff, 0, 0]))),
  decode(bytes) {
    if (bytes.length === 0 || bytes.length > maxEntries * entryBytes || bytes.length % entryBytes !== 0) throw malformed()
    return Array.from({ length: bytes.length / entryBytes }, (_, index) => decodeEntry(bytes.subarray(index * entryBytes)))
  },
}

/** The one the client has chosen (RFC 8489 section 14.12). */
export const passwordAlgorithm: AttributeCodec<number> = {
  type: 0x001d,
  encode: number => Buffer.from([number >> 8, number & 0xff, 0, 0]),
  decode(bytes) {
    if (bytes.length !== entryBytes) throw malformed()
    return decodeEntry(bytes)
  },
}

/** Two are registered. */
const maxEntries = 16

/** One with parameters is none we know, and could not be sent back by its number alone. */
function decodeEntry(bytes: Buffer): number {
  if (bytes.readUInt16BE(2) !== 0) throw malformed()
  return bytes.readUInt16BE()
}

const malformed = () => new ThroughlineError('ERR_MALFORMED', 'password algorithms have no known form')
