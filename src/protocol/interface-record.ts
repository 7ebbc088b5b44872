import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import type { Endpoint, Family } from './endpoint.js'
import { readEndpoint, writeEndpoint } from './endpoint-bytes.js'

const behaviours = ['unknown', 'none', 'endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const
const allocations = ['unknown', 'none', 'equal', 'offset', 'sequential', 'dependent', 'random'] as const

/** How a NAT maps, or filters, TCP (RFC 5382, in the words of RFC 4787); `none` = there is no NAT, or no filter. */
export type NatBehaviour = (typeof behaviours)[number]

/** How a NAT chooses external ports. */
export type PortAllocation = (typeof allocations)[number]

/** What is known about the NAT in front of an interface. */
export interface NatSummary {
  readonly mapping: NatBehaviour
  readonly filtering: NatBehaviour
  readonly allocation: PortAllocation
  /** Distance between consecutive external ports, or to the local one, -32,768 to 32,767; 0 where it means nothing. */
  readonly delta: number
}

/** One interface, or one NAT, by which a node may be reached (protocol section 2). */
export interface InterfaceRecord {
  readonly family: Family
  readonly local?: Endpoint
  readonly external?: Endpoint
  readonly nat?: NatSummary
  /** The lowest and the highest external port seen, 1 to 65,535: where a NAT that chooses at random may put the next mapping. */
  readonly range?: readonly [low: number, high: number]
}

/** Bounds of an encoded record in bytes: only family and flags; everything, in IPv6. */
export const interfaceRecordBytes = { min: 2, max: 2 + 2 * 18 + 5 + 4 } as const

const flag = { local: 1, external: 2, nat: 4, range: 8 } as const
const allFlags = flag.local | flag.external | flag.nat | flag.range

/** Writes one record. Zones of link-local addresses stay behind: they mean nothing elsewhere. Throws ERR_MALFORMED for what has no encoding. */
export function encodeInterfaceRecord({ family, local, external, nat, range }: InterfaceRecord): Buffer {
  const writer = new ByteWriter(interfaceRecordBytes.max)
  writer.u8(family).u8((local ? flag.local : 0) | (external ? flag.external : 0) | (nat ? flag.nat : 0) | (range ? flag.range : 0))
  for (const endpoint of [local, external]) {
    if (endpoint !== undefined) writeEndpoint(writer, endpoint, family)
  }
  if (nat !== undefined) {
    writer.u8(behaviours.indexOf(nat.mapping)).u8(behaviours.indexOf(nat.filtering)).u8(allocations.indexOf(nat.allocation)).i16(nat.delta)
  }
  if (range !== undefined) {
    const [low, high] = checkRange(range)
    writer.u16(low).u16(high)
  }
  return writer.finish()
}

/** Reads one record; throws ERR_MALFORMED. IPv6 is given in the form of RFC 5952. */
export function decodeInterfaceRecord(bytes: Uint8Array): InterfaceRecord {
  const reader = new ByteReader(bytes)
  const family = reader.u8()
  const flags = reader.u8()
  if (family !== 4 && family !== 6) throw malformed(`There is no address family ${family}.`)
  if (flags > allFlags) throw malformed('An interface record has unknown flags.')
  const record = {
    family,
    ...(flags & flag.local ? { local: readEndpoint(reader, family) } : {}),
    ...(flags & flag.external ? { external: readEndpoint(reader, family) } : {}),
    ...(flags & flag.nat ? { nat: readNat(reader) } : {}),
    ...(flags & flag.range ? { range: checkRange([reader.u16(), reader.u16()]) } : {}),
  } satisfies InterfaceRecord
  reader.end()
  return record
}

/** Writes the records of one list; throws ERR_MALFORMED for more than three of one family. */
export const encodeInterfaces = (records: readonly InterfaceRecord[]): Buffer[] => checkCount(records).map(encodeInterfaceRecord)

/** Reads the records of one list; throws ERR_MALFORMED, also for more than three of one family. */
export const decodeInterfaces = (values: readonly Uint8Array[]): readonly InterfaceRecord[] => checkCount(values.map(decodeInterfaceRecord))

function checkCount(records: readonly InterfaceRecord[]): readonly InterfaceRecord[] {
  const max = defaults.node.maxInterfacesPerFamily
  for (const family of [4, 6]) {
    if (records.filter((record) => record.family === family).length > max) throw malformed(`There are more than ${max} interfaces of family ${family}.`)
  }
  return records
}

function readNat(reader: ByteReader): NatSummary {
  const mapping = behaviours[reader.u8()]
  const filtering = behaviours[reader.u8()]
  const allocation = allocations[reader.u8()]
  if (mapping === undefined || filtering === undefined || allocation === undefined) throw malformed('A NAT is of an unknown kind.')
  return { mapping, filtering, allocation, delta: reader.i16() }
}

function checkRange(range: readonly [number, number]): readonly [number, number] {
  if (range[0] < 1 || range[0] > range[1]) throw malformed('A range of ports begins at 0, or ends before it begins.')
  return range
}

const malformed = (message: string): ThroughlineError => new ThroughlineError('ERR_MALFORMED', message)
