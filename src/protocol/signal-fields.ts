import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { ByteReader, decodeUtf8 } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import type { FieldRule } from './fields.js'
import { decodeInterfaces, encodeInterfaces, type InterfaceRecord, interfaceRecordBytes } from './interface-record.js'
import { decodeRelays, encodeRelays, type RelayRecord, relayRecordBytes } from './relay-record.js'
import { strategiesOfCodes, strategyCodes, type StrategyName } from './strategy.js'
import { isTopic } from './topic.js'

/** Turns the value of one field into bytes and back; both directions throw ERR_MALFORMED for what has no valid form. */
export interface FieldCodec<Value> extends FieldRule {
  readonly encode: (value: Value) => Uint8Array
  readonly decode: (bytes: Buffer) => Value
}

/** Bytes of a fixed length, or up to one; decoded values are copies. */
const bytes = (tag: number, min: number, max = min): FieldCodec<Uint8Array> => ({
  tag,
  min,
  max,
  encode: (value) => value,
  decode: (value) => Uint8Array.from(value),
})

/** Ids of sessions, attempts and messages: 16 bytes, in hexadecimal outside. */
const identifier = (tag: number): FieldCodec<string> => ({
  tag,
  min: 16,
  max: 16,
  encode: decodeHexId,
  decode: (value) => value.toString('hex'),
})

const text = (tag: number, max: number, isValid: (value: string) => boolean): FieldCodec<string> => ({
  tag,
  min: 0,
  max,
  encode: (value) => Buffer.from(check(value, isValid)),
  decode: (value) => check(decodeUtf8(value), isValid),
})

/** Times and durations: fractions are dropped, and what exceeds the field becomes its greatest value. */
const integer = (tag: number, size: 2 | 6): FieldCodec<number> => ({
  tag,
  min: size,
  max: size,
  encode: (value) => {
    const whole = Math.floor(Math.min(Math.max(value, 0), 2 ** (8 * size) - 1))
    return size === 2 ? new ByteWriter(size).u16(whole).finish() : new ByteWriter(size).u48(whole).finish()
  },
  decode: (value) => (size === 2 ? new ByteReader(value).u16() : new ByteReader(value).u48()),
})

/** A small number; unlike a time it has no encoding when it exceeds the field. */
const count = (tag: number): FieldCodec<number> => ({
  tag,
  min: 1,
  max: 1,
  encode: (value) => new ByteWriter(1).u8(value).finish(),
  decode: (value) => new ByteReader(value).u8(),
})

/** Present or not. */
const flag = (tag: number): FieldCodec<true> => ({ tag, min: 0, max: 0, encode: () => new Uint8Array(), decode: () => true })

const strategies: FieldCodec<readonly StrategyName[]> = {
  tag: 4,
  min: 0,
  max: defaults.protocol.maxStrategies,
  encode: strategyCodes,
  decode: strategiesOfCodes,
}

/** The fields of protocol section 4.3 that hold one value, by the property of a message they become. */
export const signalCodecs = {
  session: identifier(1),
  attempt: identifier(2),
  protocol: text(3, defaults.protocol.maxProtocolBytes, () => true),
  strategies,
  inbox: text(6, 64, isTopic),
  doorKey: bytes(7, 16),
  machineTag: bytes(8, 8),
  brokerRttMs: integer(9, 2),
  receivedAtMs: integer(10, 6),
  of: identifier(11),
  code: text(12, 64, (value) => /^ERR_[A-Z0-9_]+$/.test(value)),
  nonce: bytes(13, 16),
  address: bytes(14, 0, defaults.protocol.maxAddressBytes),
  round: count(16),
  atMs: integer(17, 6),
  established: flag(19),
}

/** As `FieldCodec`, for a field that is a list of records. */
export interface ListCodec<Item> extends FieldRule {
  readonly encode: (records: readonly Item[]) => readonly Uint8Array[]
  readonly decode: (values: readonly Uint8Array[]) => readonly Item[]
}

const interfaces = (tag: number): ListCodec<InterfaceRecord> => ({
  tag,
  ...interfaceRecordBytes,
  list: 2 * defaults.node.maxInterfacesPerFamily,
  encode: encodeInterfaces,
  decode: decodeInterfaces,
})

const relay: ListCodec<RelayRecord> = { tag: 18, ...relayRecordBytes, list: defaults.protocol.maxRelays, encode: encodeRelays, decode: decodeRelays }

/** The fields of section 4.3 that are lists of records. */
export const recordLists = { interfaces: interfaces(5), punch: interfaces(15), relay }

/** The bounds of every field of section 4.3. */
export const signalTable = { ...signalCodecs, ...recordLists }

/** Reads the hexadecimal form of a 16-byte id; throws ERR_MALFORMED. */
export function decodeHexId(id: string): Buffer {
  return Buffer.from(
    check(id, (value) => /^[0-9a-f]{32}$/.test(value)),
    'hex',
  )
}

function check(value: string, isValid: (value: string) => boolean): string {
  if (!isValid(value)) throw new ThroughlineError('ERR_MALFORMED', 'A text in a message does not have the form of its field.')
  return value
}
