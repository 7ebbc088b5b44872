import { ThroughlineError } from '../../errors/index.js'
import type { Endpoint } from '../endpoint.js'
import type { AttributeCodec } from './attribute.js'
import { ipFromBytes, ipToBytes } from './ip-bytes.js'
import { magicCookie } from './message.js'

const addressBytes: Readonly<Record<number, number>> = { 1: 4, 2: 16 }

/** RFC 8489 section 14.1: a zero byte, the family, port, address. Port 0 is malformed: nobody can be reached there. */
const plainAddress = (type: number): AttributeCodec<Endpoint> => ({
  type,
  encode({ host, port }) {
    const address = ipToBytes(host)
    return Buffer.from([0, address.length === 4 ? 1 : 2, port >> 8, port & 0xff, ...address])
  },
  decode(bytes) {
    if (bytes.length < 4 || bytes.length !== 4 + (addressBytes[bytes.readUInt8(1)] ?? NaN)) throw new ThroughlineError('ERR_MALFORMED', 'an address attribute has a wrong length')
    const port = bytes.readUInt16BE(2)
    if (port === 0) throw new ThroughlineError('ERR_MALFORMED', 'an address attribute has port 0')
    return { host: ipFromBytes(bytes.subarray(4)), port }
  },
})

/**
 * RFC 8489 section 14.2: as above, port and address XORed so that NATs which rewrite addresses in payloads do not find
 * them. For TURN's XOR-PEER-ADDRESS and XOR-RELAYED-ADDRESS as well.
 */
export function xorAddress(type: number): AttributeCodec<Endpoint> {
  const plain = plainAddress(type)
  return {
    type,
    encode: (endpoint, transaction) => xored(plain.encode(endpoint, transaction), transaction),
    decode: (bytes, transaction) => plain.decode(xored(bytes, transaction), transaction),
  }
}

function xored(bytes: Uint8Array, transaction: Buffer): Buffer {
  const result = Buffer.from(bytes)
  for (let at = 2; at < 4; at++) result[at] = (bytes[at] ?? 0) ^ (cookieBytes[at - 2] ?? 0)
  for (let at = 4; at < bytes.length; at++) result[at] = (bytes[at] ?? 0) ^ ((at < 8 ? cookieBytes : transaction)[at - 4] ?? 0)
  return result
}

const cookieBytes = Buffer.alloc(4)
cookieBytes.writeUInt32BE(magicCookie)

/** The requester's endpoint as the server sees it, for classic requesters (RFC 8489 section 14.1). */
export const mappedAddress = plainAddress(0x0001)
/** The requester's endpoint as the server sees it (RFC 8489 section 14.2). */
export const xorMappedAddress = xorAddress(0x0020)
/** Where a classic reply came from (RFC 3489 section 11.2.5). */
export const sourceAddress = plainAddress(0x0004)
/** Where a classic server's replies to CHANGE-REQUEST come from (RFC 3489 section 11.2.3). */
export const changedAddress = plainAddress(0x0005)
/** Where the reply came from, as the server sees it (RFC 5780 section 7.3). */
export const responseOrigin = plainAddress(0x802b)
/** The server's other address and other port (RFC 5780 section 7.4). */
export const otherAddress = plainAddress(0x802c)
/** Where to ask instead, in an error 300 (RFC 8489 section 14.15). */
export const alternateServer = plainAddress(0x8023)
