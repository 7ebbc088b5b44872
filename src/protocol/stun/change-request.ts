import { ThroughlineError } from '../../errors/index.js'
import type { Endpoint } from '../endpoint.js'
import type { AttributeCodec } from './attribute.js'

/** From where a reply is asked to come, or who is asked to dial back: the server's other address, its other port, or both. */
export interface Change {
  readonly address: boolean
  readonly port: boolean
}

/** RFC 5780 section 7.2. */
export const changeRequest: AttributeCodec<Change> = {
  type: 0x0003,
  encode: ({ address, port }) => Buffer.from([0, 0, 0, (address ? 4 : 0) | (port ? 2 : 0)]),
  decode(bytes) {
    if (bytes.length !== 4) throw new ThroughlineError('ERR_MALFORMED', 'CHANGE-REQUEST has a wrong length')
    const flags = bytes.readUInt32BE()
    return { address: (flags & 4) !== 0, port: (flags & 2) !== 0 }
  },
}

/** Where a reply comes from when `server` does as asked; `other` is its OTHER-ADDRESS. */
export const changedOrigin = (server: Endpoint, other: Endpoint, change: Change): Endpoint => ({
  host: change.address ? other.host : server.host,
  port: change.port ? other.port : server.port,
})
