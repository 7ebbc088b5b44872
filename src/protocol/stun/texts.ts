import { ThroughlineError } from '../../errors/index.js'
import { decodeUtf8 } from '../byte-reader.js'
import type { AttributeCodec } from './attribute.js'

/** Strict UTF-8, so that what is read can be written back byte for byte. */
const text = (type: number, maxBytes: number): AttributeCodec<string> => ({
  type,
  encode: value => bounded(Buffer.from(value), maxBytes),
  decode: bytes => decodeUtf8(bounded(bytes, maxBytes)),
})

function bounded(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length > maxBytes) throw new ThroughlineError('ERR_MALFORMED', `a STUN text of ${bytes.length} bytes`)
  return bytes
}

/** RFC 8489 section 14.3: less than 509 bytes. */
export const username = text(0x0006, 508)
/** RFC 8489 section 14.9: less than 128 characters, so at most 763 bytes; so are the next two. */
export const realm = text(0x0014, 763)
/** RFC 8489 section 14.10. */
export const nonce = text(0x0015, 763)
/** What the sender runs, for people (RFC 8489 section 14.14). */
export const software = text(0x8022, 763)
