import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFields, encodeFields } from '../../../src/protocol/fields.js'

const table = { one: { tag: 1, min: 2, max: 4 }, many: { tag: 2, min: 0, max: 300, list: 3 } }
const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' }) as Error
const hex = (text: string) => Buffer.from(text, 'hex')

describe('fields', () => {
  it('are given back in order', () => {
    const value = fc.uint8Array({ minLength: 2, maxLength: 4 })
    fc.assert(
      fc.property(value, fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }), (one, many) => {
        const fields = decodeFields(table, encodeFields(table, [['one', one], ...many.map((item) => ['many', item] as const)]))
        expect(Uint8Array.from(fields.required('one'))).toEqual(one)
        expect(fields.list('many').map((item) => Uint8Array.from(item))).toEqual(many)
      }),
    )
  })

  it('with unknown tags are skipped, also when repeated', () => {
    const fields = decodeFields(table, hex('ff0001aa' + 'ff0000' + '0100020102'))
    expect(fields.required('one').toString('hex')).toBe('0102')
  })

  it('that are left out are undefined, an empty list, or missing', () => {
    const fields = decodeFields(table, new Uint8Array(0))
    expect(fields.optional('one')).toBeUndefined()
    expect(fields.list('many')).toEqual([])
    expect(() => fields.required('one')).toThrow(malformed)
  })

  it.each([
    ['a repeated field', '0100020102' + '0100020102'],
    ['a fourth list item', '020000'.repeat(4)],
    ['a value too short', '01000101'],
    ['a value too long', '0100050102030405'],
    ['a length beyond the end', '01000401'],
    ['half a header', '0100'],
    ['65 fields', 'ff0000'.repeat(65)],
  ])('are refused with %s', (_, bytes) => {
    expect(() => decodeFields(table, hex(bytes))).toThrow(malformed)
  })

  it('may be 64', () => {
    expect(() => decodeFields(table, hex('ff0000'.repeat(64)))).not.toThrow()
  })

  it('beyond their bounds are not written', () => {
    expect(() => encodeFields(table, [['one', hex('01')]])).toThrow(malformed)
    expect(() => encodeFields(table, [['one', hex('0102')], ['one', hex('0102')]])).toThrow(malformed)
  })
})
