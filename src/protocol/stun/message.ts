import { defaults } from '../../config/defaults.js'
import { ThroughlineError } from '../../errors/index.js'
import { attributeHeaderBytes, type EncodableAttribute, type RawAttribute } from './attribute.js'

const classes = ['request', 'indication', 'success', 'error'] as const

/** What a message is in its transaction (RFC 8489 section 5); success and error are replies. */
export type StunClass = (typeof classes)[number]

/** Methods by number; Binding is the only one of RFC 8489. */
export const bindingMethod = 0x001

/** Fixed first four bytes of `transaction`, by which a message of RFC 8489 differs from one of RFC 3489. */
export const magicCookie = 0x2112a442

/** Sizes of RFC 8489 section 5, in bytes. */
export const stunSizes = { typeAndLength: 4, header: 20, transaction: 16, cookie: 4, transactionId: 12 } as const

/** The 20 bytes every message begins with. */
export interface StunHeader {
  readonly class: StunClass
  /** 0 to 0xfff. */
  readonly method: number
  /** 16 bytes as on the wire: magic cookie and 96-bit transaction ID, or the 128-bit ID of RFC 3489. */
  readonly transaction: Buffer
}

/** A message as received. Its buffers are views of `bytes`. */
export interface StunMessage extends StunHeader {
  /** In order of appearance, without those that must be ignored because they follow an integrity attribute. */
  readonly attributes: readonly RawAttribute[]
  /** The whole message. */
  readonly bytes: Buffer
}

/** Attributes that end a message, in their order (RFC 8489 sections 14.5 to 14.7). */
export const closingTypes = { integrity: 0x0008, integritySha256: 0x001c, fingerprint: 0x8028 } as const

/** A transaction of RFC 8489 from its 96 random bits. */
export function newTransaction(transactionId: Uint8Array): Buffer {
  const transaction = Buffer.alloc(stunSizes.transaction)
  transaction.writeUInt32BE(magicCookie)
  transaction.set(transactionId.subarray(0, stunSizes.transactionId), stunSizes.cookie)
  return transaction
}

/** The transaction of received bytes as hex digits, for look-ups before anything is decoded; undefined for less than a header. */
export const transactionKey = (bytes: Buffer): string | undefined =>
  bytes.length < stunSizes.header ? undefined : bytes.toString('hex', stunSizes.typeAndLength, stunSizes.header)

/** True for a message of RFC 3489, which has no magic cookie. */
export const isClassic = ({ transaction }: StunHeader): boolean => transaction.readUInt32BE() !== magicCookie

/** Writes a message; integrity and fingerprint are appended to it afterwards. Throws ERR_MALFORMED above `maxBytes`. */
export function encodeMessage(header: StunHeader, attributes: readonly EncodableAttribute[], maxBytes: number = defaults.stun.maxMessageBytes): Buffer {
  const parts: Uint8Array[] = [Buffer.alloc(stunSizes.header)]
  for (const { type, encode } of attributes) parts.push(...frameAttribute(type, encode(header.transaction)))
  const message = Buffer.concat(parts)
  message.writeUInt16BE(encodeType(header))
  message.set(header.transaction, stunSizes.typeAndLength)
  return stateLength(message, maxBytes)
}

/** `message` with one more attribute, whose value is computed over what comes before it, its length already counted (RFC 8489 section 14.5). */
export function appendComputed(message: Buffer, type: number, size: number, compute: (covered: Buffer) => Uint8Array): Buffer {
  const longer = stateLength(Buffer.concat([message, ...frameAttribute(type, Buffer.alloc(size))]))
  longer.set(compute(longer.subarray(0, message.length)), message.length + attributeHeaderBytes)
  return longer
}

/** Reads one whole message. Throws ERR_MALFORMED for anything else, also for bytes too few or too many, or more than `maxBytes`. */
export function decodeMessage(bytes: Buffer, maxBytes?: number): StunMessage {
  if (bytes.length < stunSizes.header) throw malformed(`${bytes.length} bytes are less than a STUN header`)
  const length = statedLength(bytes, maxBytes)
  if (length !== bytes.length) throw malformed(`a STUN message of ${length} bytes came as ${bytes.length}`)
  const type = bytes.readUInt16BE()
  const attributes: RawAttribute[] = []
  let closedBy = -1
  for (let at: number = stunSizes.header; at < length; ) {
    const size = bytes.readUInt16BE(at + 2)
    const value = bytes.subarray(at + attributeHeaderBytes, at + attributeHeaderBytes + size)
    if (value.length !== size) throw malformed('a STUN attribute is longer than its message')
    const attribute = { type: bytes.readUInt16BE(at), value, at }
    const rank = closing.indexOf(attribute.type)
    if (rank > closedBy || closedBy === -1) attributes.push(attribute)
    closedBy = Math.max(closedBy, rank)
    at += attributeHeaderBytes + padded(size)
  }
  return { class: classOf(type), method: methodOf(type), transaction: bytes.subarray(stunSizes.typeAndLength, stunSizes.header), attributes, bytes }
}

/** Bytes of the whole message by its first four; throws ERR_MALFORMED for what begins no STUN message or one above `maxBytes`. */
export function statedLength(start: Buffer, maxBytes: number = defaults.stun.maxMessageBytes): number {
  const length = stunSizes.header + start.readUInt16BE(2)
  if (start.readUInt8() > 0x3f || length % 4 !== 0) throw malformed('these bytes begin no STUN message')
  if (length > maxBytes) throw malformed(`a STUN message of ${length} bytes`)
  return length
}

const closing: readonly number[] = Object.values(closingTypes)

function frameAttribute(type: number, value: Uint8Array): Uint8Array[] {
  const header = Buffer.alloc(attributeHeaderBytes)
  header.writeUInt16BE(type)
  header.writeUInt16BE(value.length, 2)
  return [header, value, Buffer.alloc(padded(value.length) - value.length)]
}

function stateLength(message: Buffer, maxBytes: number = defaults.stun.maxMessageBytes): Buffer {
  if (message.length > maxBytes) throw malformed(`a STUN message of ${message.length} bytes`)
  message.writeUInt16BE(message.length - stunSizes.header, 2)
  return message
}

const padded = (size: number): number => (size + 3) & ~3

/** Method and class are interleaved: M11-M7 C1 M6-M4 C0 M3-M0 (RFC 8489 section 5, figure 3). */
const encodeType = ({ class: name, method }: StunHeader): number => {
  const number = classes.indexOf(name)
  return (method & 0xf) | ((number & 1) << 4) | ((method & 0x70) << 1) | ((number & 2) << 7) | ((method & 0xf80) << 2)
}

const methodOf = (type: number): number => (type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80)

const classOf = (type: number): StunClass => classes[((type >> 4) & 1) | ((type >> 7) & 2)] ?? 'request'

const malformed = (message: string) => new ThroughlineError('ERR_MALFORMED', message)
