import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { decodeBase32, encodeBase32 } from './base32.js'
import { formatBrokerUrl, parseBrokerUrl } from './broker-url.js'
import { ByteReader, decodeUtf8 } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import { examineKey } from './curve.js'
import { decodeFields, encodeFields, type Fields } from './fields.js'
import { type Identity, sign, verify } from './identity.js'
import { decodeInterfaces, encodeInterfaces, type InterfaceRecord, interfaceRecordBytes } from './interface-record.js'
import { encodePeerId } from './peer-id.js'

/** What a node states about itself, signed: all one needs to reach it (protocol section 3). */
export interface AddressRecord {
  readonly id: string
  /** Milliseconds of the Unix epoch when it was signed, above the one of any earlier address of this key. */
  readonly sequence: number
  /** URLs of the home brokers, best first, at most 4, without credentials. */
  readonly brokers: readonly string[]
  /** 16 bytes. */
  readonly doorKey: Uint8Array
  /** 8 bytes. */
  readonly machineTag: Uint8Array
  /** At most 3 per family. */
  readonly interfaces: readonly InterfaceRecord[]
}

const prefix = 'tl1'
const context = Buffer.from('throughline/1 address')
const { maxAddressBytes, maxBrokers, maxBrokerUrlBytes } = defaults.protocol
const maxAddressCharacters = prefix.length + Math.ceil((maxAddressBytes * 8) / 5)
const keyBytes = 32
const signatureBytes = 64

const table = {
  sequence: { tag: 1, min: 6, max: 6 },
  broker: { tag: 2, min: 1, max: maxBrokerUrlBytes, list: maxBrokers },
  doorKey: { tag: 3, min: 16, max: 16 },
  machineTag: { tag: 4, min: 8, max: 8 },
  interface: { tag: 5, ...interfaceRecordBytes, list: 2 * defaults.node.maxInterfacesPerFamily },
}

/** Signs an address and writes it as text. Throws ERR_MALFORMED or ERR_BROKER_URL for a record that breaks a bound. */
export const encodeAddress = (record: Omit<AddressRecord, 'id'>, identity: Identity): string =>
  prefix + encodeBase32(encodeAddressBytes(record, identity))

/** Reads an address and checks its signature. Throws ERR_ADDRESS_INVALID, ERR_ADDRESS_SIGNATURE. Any letter case is taken. */
export function decodeAddress(text: string): AddressRecord {
  if (!looksLikeAddress(text)) throw invalid(`An address begins with ${prefix}.`)
  if (text.length > maxAddressCharacters) throw invalid(`An address has at most ${maxAddressCharacters} characters, not ${text.length}.`)
  const characters = text.slice(prefix.length).toLowerCase()
  const wrong = characters.search(/[^a-z2-7]/)
  if (wrong >= 0) throw invalid(`Character ${prefix.length + wrong + 1} of the address cannot occur.`)
  const bytes = decodeBase32(characters)
  if (bytes === undefined) throw invalid('The address is cut off or damaged at its end.')
  return decodeAddressBytes(bytes)
}

/** Tells whether a text is meant to be an address rather than an id or a name: it begins with `tl1`. */
export const looksLikeAddress = (text: string): boolean => text.slice(0, prefix.length).toLowerCase() === prefix

/** Signs an address in its binary form, at most 1,024 bytes. Throws like `encodeAddress`. */
export function encodeAddressBytes(record: Omit<AddressRecord, 'id'>, identity: Identity): Buffer {
  const fields = encodeFields(table, [
    ['sequence', new ByteWriter(6).u48(record.sequence).finish()],
    ...record.brokers.map((url) => ['broker', Buffer.from(formatBrokerUrl(parseBrokerUrl(url)))] as const),
    ['doorKey', record.doorKey],
    ['machineTag', record.machineTag],
    ...encodeInterfaces(record.interfaces).map((value) => ['interface', value] as const),
  ])
  const body = Buffer.concat([identity.publicKey, fields])
  return Buffer.concat([body, sign(identity, Buffer.concat([context, body]))])
}

/** Reads the binary form and checks its signature. Throws ERR_ADDRESS_INVALID, ERR_ADDRESS_SIGNATURE. */
export function decodeAddressBytes(bytes: Uint8Array): AddressRecord {
  if (bytes.length < keyBytes + signatureBytes) throw invalid(`The address is cut off: only ${bytes.length} bytes are left.`)
  if (bytes.length > maxAddressBytes) throw invalid(`The address has ${bytes.length} bytes, more than ${maxAddressBytes}.`)
  const publicKey = bytes.slice(0, keyBytes)
  const body = bytes.subarray(0, -signatureBytes)
  try {
    if (typeof examineKey(publicKey) === 'string') throw invalid('The key of the address is not a valid public key.')
    // Fields before the signature: an address cut off on the way is told from one that was changed.
    const fields = decodeFields(table, body.subarray(keyBytes))
    if (!verify(publicKey, Buffer.concat([context, body]), bytes.subarray(-signatureBytes))) {
      throw new ThroughlineError('ERR_ADDRESS_SIGNATURE', 'The signature of the address does not fit its key.')
    }
    return readRecord(publicKey, fields)
  } catch (error) {
    if (!ThroughlineError.is(error) || error.code.startsWith('ERR_ADDRESS_')) throw error
    throw new ThroughlineError('ERR_ADDRESS_INVALID', `The address is malformed. ${error.message}`, { cause: error })
  }
}

function readRecord(publicKey: Uint8Array, fields: Fields<keyof typeof table>): AddressRecord {
  return {
    id: encodePeerId(publicKey),
    sequence: new ByteReader(fields.required('sequence')).u48(),
    brokers: fields.list('broker').map(readBroker),
    doorKey: Uint8Array.from(fields.required('doorKey')),
    machineTag: Uint8Array.from(fields.required('machineTag')),
    interfaces: decodeInterfaces(fields.list('interface')),
  }
}

function readBroker(value: Buffer): string {
  const url = parseBrokerUrl(decodeUtf8(value))
  if (url.username !== undefined) throw invalid('A broker URL in the address carries credentials.')
  return formatBrokerUrl(url)
}

const invalid = (message: string): ThroughlineError => new ThroughlineError('ERR_ADDRESS_INVALID', message)
