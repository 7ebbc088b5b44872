import { Address6 } from 'ip-address'
import { ThroughlineError } from '../errors/index.js'
import type { ByteReader } from './byte-reader.js'
import type { ByteWriter } from './byte-writer.js'
import { type Endpoint, type Family, familyOf, formatEndpoint, parseEndpoint } from './endpoint.js'

/** Writes address and port (protocol section 2). The zone of a link-local address stays behind: it means nothing elsewhere. Throws ERR_MALFORMED. */
export function writeEndpoint(writer: ByteWriter, endpoint: Endpoint, family: Family): void {
  writer.bytes(addressBytes(endpoint, family)).u16(endpoint.port)
}

/** Reads address and port; IPv6 is given in the form of RFC 5952. Throws ERR_MALFORMED. */
export function readEndpoint(reader: ByteReader, family: Family): Endpoint {
  const bytes = [...reader.bytes(family === 4 ? 4 : 16)]
  const host = family === 4 ? bytes.join('.') : Address6.fromUnsignedByteArray(bytes).correctForm()
  if (isMapped(bytes)) throw malformed('An IPv4 address is dressed up as IPv6.')
  return { host, port: nonZero(reader.u16()) }
}

function addressBytes(endpoint: Endpoint, family: Family): Uint8Array {
  const literal = endpoint.host.replace(/%.*$/s, '')
  const text = formatEndpoint({ host: literal, port: endpoint.port })
  if (parseEndpoint(text) === undefined || familyOf(literal) !== family) throw malformed(`${text} is no IPv${family} endpoint.`)
  if (family === 4) return Uint8Array.from(literal.split('.'), Number)
  const bytes = new Address6(literal).toUnsignedByteArray()
  const padded = [...new Array<number>(16 - bytes.length).fill(0), ...bytes]
  if (isMapped(padded)) throw malformed(`${text} is an IPv4 address dressed up as IPv6.`)
  return Uint8Array.from(padded)
}

/** ::ffff:0:0/96 (RFC 4291 section 2.5.5.2) would carry an IPv4 target past the rules for that family. */
const isMapped = (bytes: readonly number[]): boolean =>
  bytes.length === 16 && bytes.every((byte, index) => index > 11 || byte === (index < 10 ? 0 : 0xff))

function nonZero(port: number): number {
  if (port === 0) throw malformed('An endpoint has port 0.')
  return port
}

const malformed = (message: string): ThroughlineError => new ThroughlineError('ERR_MALFORMED', message)
