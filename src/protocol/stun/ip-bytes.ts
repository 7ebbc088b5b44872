import { Address6 } from 'ip-address'
import { familyOf, parseEndpoint, formatEndpoint } from '../endpoint.js'
import { ThroughlineError } from '../../errors/index.js'

/** The 4 or 16 bytes of an IP literal; a zone stays behind. Throws ERR_MALFORMED for anything else. */
export function ipToBytes(host: string): Uint8Array {
  const literal = host.replace(/%.*$/s, '')
  if (parseEndpoint(formatEndpoint({ host: literal, port: 1 })) === undefined) throw new ThroughlineError('ERR_MALFORMED', `${host} is no IP address`)
  if (familyOf(literal) === 4) return Uint8Array.from(literal.split('.'), Number)
  const bytes = new Address6(literal).toUnsignedByteArray()
  return Uint8Array.from([...new Array<number>(16 - bytes.length).fill(0), ...bytes])
}

/** The literal of 4 or 16 bytes, IPv6 in the form of RFC 5952. */
export const ipFromBytes = (bytes: Uint8Array): string =>
  bytes.length === 4 ? bytes.join('.') : Address6.fromUnsignedByteArray([...bytes]).correctForm()

/** Whether two IP literals mean one address, however they are written; zones count. Never throws. */
export const isSameHost = (one: string, other: string): boolean => one === other || (one.includes(':') && other.includes(':') && canonical(one) === canonical(other))

function canonical(host: string): string {
  const [, literal = '', zone = ''] = /^([^%]*)(.*)$/s.exec(host) ?? []
  return parseEndpoint(`[${literal}]:1`) === undefined ? host : new Address6(literal).correctForm() + zone
}
