import { ThroughlineError } from '../errors/index.js'
import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import { familyOf, type Endpoint } from './endpoint.js'
import { readEndpoint, writeEndpoint } from './endpoint-bytes.js'

/** Where a node can be reached through a relay, by TCP (protocol 4.3). */
export interface RelayRecord {
  /** The relayed endpoint: who connects there is led to the sender. */
  readonly relayed: Endpoint
  /** The relay itself, for people; nobody connects to it because a peer said so. */
  readonly server: Endpoint
}

/** Bounds of an encoded record in bytes: both endpoints IPv4, both IPv6. */
export const relayRecordBytes = { min: 1 + 2 * 7, max: 1 + 2 * 19 } as const

/** The number IANA gave TCP; the transport of the relayed endpoint. */
const tcp = 6

/** Writes the records of one list; throws ERR_MALFORMED for what has no encoding. */
export const encodeRelays = (records: readonly RelayRecord[]): Buffer[] => records.map(encodeRelayRecord)

/** Reads the records of one list; those of other transports are skipped. Throws ERR_MALFORMED. */
export const decodeRelays = (values: readonly Uint8Array[]): readonly RelayRecord[] => values.flatMap(bytes => decodeRelayRecord(bytes) ?? [])

function encodeRelayRecord({ relayed, server }: RelayRecord): Buffer {
  const writer = new ByteWriter(relayRecordBytes.max).u8(tcp)
  for (const endpoint of [relayed, server]) {
    const family = familyOf(endpoint.host)
    writeEndpoint(writer.u8(family), endpoint, family)
  }
  return writer.finish()
}

function decodeRelayRecord(bytes: Uint8Array): RelayRecord | undefined {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== tcp) return undefined
  const record = { relayed: readTagged(reader), server: readTagged(reader) }
  reader.end()
  return record
}

function readTagged(reader: ByteReader): Endpoint {
  const family = reader.u8()
  if (family !== 4 && family !== 6) throw new ThroughlineError('ERR_MALFORMED', `There is no address family ${family}.`)
  return readEndpoint(reader, family)
}
