import { ThroughlineError } from '../../errors/index.js'
import type { AttributeCodec } from '../stun/attribute.js'

const unsigned32 = (type: number, name: string): AttributeCodec<number> => ({
  type,
  encode(value) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return bytes
  },
  decode(bytes) {
    if (bytes.length !== 4) throw new ThroughlineError('ERR_MALFORMED', `${name} has ${bytes.length} bytes`)
    return bytes.readUInt32BE()
  },
})

/** How long an allocation lasts without a refresh, seconds; 0 in a Refresh ends it (RFC 8656 section 18.2). */
export const lifetime = unsigned32(0x000d, 'LIFETIME')
/** Names a TCP connection between server and peer; whoever binds a connection of its own to it, signed, gets the bytes (RFC 6062 section 6.2.1). */
export const connectionId = unsigned32(0x002a, 'CONNECTION-ID')
