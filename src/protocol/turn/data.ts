import type { AttributeCodec } from '../stun/attribute.js'

/** A datagram of the application, in Send and Data indications (RFC 8656 section 18.4). */
export const data: AttributeCodec<Buffer> = { type: 0x0013, encode: bytes => bytes, decode: bytes => bytes }
