/** Type and length (RFC 8489 section 14). */
export const attributeHeaderBytes = 4

/** An attribute as received, not interpreted. `at` is the offset of its header in the message. */
export interface RawAttribute {
  readonly type: number
  readonly value: Buffer
  readonly at: number
}

/** The part of a message that attributes are read from. */
export interface AttributeSource {
  readonly attributes: readonly RawAttribute[]
  readonly transaction: Buffer
}

/**
 * How one kind of attribute is written and read. A further kind is a further value of this type; nothing else changes.
 * Both functions throw ERR_MALFORMED for what has no valid form.
 */
export interface AttributeCodec<T> {
  readonly type: number
  encode(value: T, transaction: Buffer): Uint8Array
  decode(bytes: Buffer, transaction: Buffer): T
}

/** An attribute with its value, for `encodeMessage`. */
export interface EncodableAttribute {
  readonly type: number
  encode(this: void, transaction: Buffer): Uint8Array
}

/** Pairs a value with the codec that writes it. */
export const attribute = <T>(codec: AttributeCodec<T>, value: T): EncodableAttribute => ({
  type: codec.type,
  encode: transaction => codec.encode(value, transaction),
})

/** The first attribute of this kind (later ones are ignored, RFC 8489 section 14); throws ERR_MALFORMED when it has no valid form. */
export function readAttribute<T>(message: AttributeSource, codec: AttributeCodec<T>): T | undefined {
  const found = message.attributes.find(({ type }) => type === codec.type)
  return found && codec.decode(found.value, message.transaction)
}

/** Types a receiver must understand and `known` does not list (RFC 8489 section 14: below 0x8000); what a 420 reports. Each once. */
export const unknownRequired = ({ attributes }: AttributeSource, known: ReadonlySet<number>): readonly number[] => [
  ...new Set(attributes.map(({ type }) => type).filter(type => type < 0x8000 && !known.has(type))),
]
