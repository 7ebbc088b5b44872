import { ThroughlineError } from '../../errors/index.js'
import type { AttributeCodec } from './attribute.js'

/** RESPONSE-PORT (RFC 5780 section 7.5): the reply, or over TCP the dial-back, goes to this port of the requester. */
export const responsePort: AttributeCodec<number> = {
  type: 0x0027,
  // two bytes by the RFC, which servers in the field want padded to four within the value
  encode: port => Buffer.from([port >> 8, port & 0xff, 0, 0]),
  decode(bytes) {
    if (bytes.length < 2) throw new ThroughlineError('ERR_MALFORMED', 'RESPONSE-PORT is too short')
    const port = bytes.readUInt16BE()
    if (port === 0) throw new ThroughlineError('ERR_MALFORMED', 'RESPONSE-PORT is 0')
    return port
  },
}
