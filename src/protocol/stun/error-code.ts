import { ThroughlineError } from '../../errors/index.js'
import type { AttributeCodec } from './attribute.js'

/** Why a request was refused: 300 to 699, and a reason phrase of at most 763 bytes. */
export interface StunError {
  readonly code: number
  readonly reason: string
}

/** RFC 8489 section 14.8. The reason is read leniently: it is for people. */
export const errorCode: AttributeCodec<StunError> = {
  type: 0x0009,
  encode: ({ code, reason }) => Buffer.concat([Buffer.from([0, 0, Math.floor(code / 100), code % 100]), Buffer.from(reason)]),
  decode(bytes) {
    if (bytes.length < 4) throw new ThroughlineError('ERR_MALFORMED', 'ERROR-CODE is cut off')
    const hundreds = bytes.readUInt8(2) & 7
    const rest = bytes.readUInt8(3)
    if (hundreds < 3 || hundreds > 6 || rest > 99) throw new ThroughlineError('ERR_MALFORMED', 'ERROR-CODE has no valid number')
    return { code: hundreds * 100 + rest, reason: bytes.toString('utf8', 4, 4 + maxReasonBytes) }
  },
}

/** Types the server did not know, with error 420 (RFC 8489 section 14.13). */
export const unknownAttributes: AttributeCodec<readonly number[]> = {
  type: 0x000a,
  encode: types => Buffer.from(types.flatMap(type => [type >> 8, type & 0xff])),
  decode(bytes) {
    if (bytes.length % 2 !== 0) throw new ThroughlineError('ERR_MALFORMED', 'UNKNOWN-ATTRIBUTES has a wrong length')
    return Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(2 * index))
  },
}

const maxReasonBytes = 763
