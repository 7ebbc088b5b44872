import { ThroughlineError } from '../errors/index.js'
import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'

/** Protocol section 2: a record with more fields than this is malformed, unknown ones counted. */
const maxFields = 64

/** What one field of a record may look like: its tag, the bounds of its value in bytes, and how often a list may occur. */
export interface FieldRule {
  readonly tag: number
  readonly min: number
  readonly max: number
  /** Present on lists: the greatest number of occurrences. Other fields occur at most once. */
  readonly list?: number
}

/** The fields of one kind of record, by name. */
export type FieldTable<Name extends string = string> = Readonly<Record<Name, FieldRule>>

/** A field to write; one whose value is undefined is left out. */
export type FieldEntry<Name extends string> = readonly [name: Name, value: Uint8Array | undefined]

/** Writes fields in the order given; throws ERR_MALFORMED where a value breaks the rule of its field. */
export function encodeFields<Name extends string>(table: FieldTable<Name>, entries: readonly FieldEntry<Name>[]): Buffer {
  const writer = new ByteWriter(256)
  const counts = new Map<Name, number>()
  for (const [name, value] of entries) {
    if (value === undefined) continue
    const count = (counts.get(name) ?? 0) + 1
    checkField(name, table[name], value, count)
    counts.set(name, count)
    writer.u8(table[name].tag).bytes16(value)
  }
  return writer.finish()
}

/** Reads the fields of a record: unknown tags are skipped, every bound of the table is enforced with ERR_MALFORMED. */
export function decodeFields<Name extends string>(table: FieldTable<Name>, bytes: Uint8Array): Fields<Name> {
  const names = new Map((Object.keys(table) as Name[]).map((name) => [table[name].tag, name]))
  const values = new Map<Name, Buffer[]>()
  const reader = new ByteReader(bytes)
  for (let fields = 1; reader.remaining > 0; fields++) {
    if (fields > maxFields) throw new ThroughlineError('ERR_MALFORMED', `A record has more than ${maxFields} fields.`)
    const name = names.get(reader.u8())
    const value = reader.bytes16()
    if (name === undefined) continue
    const known = values.get(name) ?? []
    checkField(name, table[name], value, known.length + 1)
    values.set(name, [...known, value])
  }
  return new Fields(values)
}

/** The decoded fields of one record; values are views into the bytes they were read from. */
export class Fields<Name extends string> {
  readonly #values: ReadonlyMap<Name, readonly Buffer[]>

  constructor(values: ReadonlyMap<Name, readonly Buffer[]>) {
    this.#values = values
  }

  /** The value of a field that must be there; throws ERR_MALFORMED when it is not. */
  required(name: Name): Buffer {
    const value = this.optional(name)
    if (value === undefined) throw new ThroughlineError('ERR_MALFORMED', `The field "${name}" is missing.`)
    return value
  }

  /** The value of a field, or undefined. */
  optional(name: Name): Buffer | undefined {
    return this.#values.get(name)?.[0]
  }

  /** Every value of a list, in order. */
  list(name: Name): readonly Buffer[] {
    return this.#values.get(name) ?? []
  }
}

function checkField(name: string, rule: FieldRule, value: Uint8Array, count: number): void {
  if (count > (rule.list ?? 1)) throw new ThroughlineError('ERR_MALFORMED', `The field "${name}" occurs too often.`)
  if (value.length < rule.min || value.length > rule.max) {
    throw new ThroughlineError('ERR_MALFORMED', `The field "${name}" has ${value.length} bytes instead of ${rule.min} to ${rule.max}.`)
  }
}
