import { ThroughlineError } from '../../errors/index.js'
import type { Family } from '../endpoint.js'
import type { AttributeCodec } from '../stun/attribute.js'

/** One byte that chooses, and three that are reserved. */
const choice = <T>(type: number, name: string, choices: readonly (readonly [number, T])[]): AttributeCodec<T> => ({
  type,
  encode: value => Buffer.from([choices.find(([, one]) => one === value)?.[0] ?? 0, 0, 0, 0]),
  decode(bytes) {
    const found = bytes.length === 4 ? choices.find(([number]) => number === bytes.readUInt8()) : undefined
    if (found === undefined) throw new ThroughlineError('ERR_MALFORMED', `${name} has no known value`)
    return found[1]
  },
})

/** What shall be relayed, by its IP protocol number (RFC 8656 section 18.8, RFC 6062 section 4.1). */
export const requestedTransport = choice<'tcp' | 'udp'>(0x0019, 'REQUESTED-TRANSPORT', [[6, 'tcp'], [17, 'udp']])
/** Family of the relayed address; without it IPv4 (RFC 8656 section 18.6). */
export const requestedFamily = choice<Family>(0x0017, 'REQUESTED-ADDRESS-FAMILY', [[1, 4], [2, 6]])
