import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../../src/protocol/byte-reader.js'
import { ByteWriter } from '../../../src/protocol/byte-writer.js'

const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' }) as Error
const values = fc.record({
  u8: fc.integer({ min: 0, max: 0xff }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  u32: fc.integer({ min: 0, max: 0xffff_ffff }),
  u48: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  i16: fc.integer({ min: -0x8000, max: 0x7fff }),
  bytes8: fc.uint8Array({ maxLength: 255 }),
  bytes16: fc.uint8Array({ maxLength: 400 }),
  str8: fc.string({ unit: 'grapheme', maxLength: 20 }),
})
type Values = typeof values extends fc.Arbitrary<infer V> ? V : never

const write = (v: Values): Buffer =>
  new ByteWriter(1).u8(v.u8).u16(v.u16).u32(v.u32).u48(v.u48).i16(v.i16).bytes8(v.bytes8).bytes16(v.bytes16).str8(v.str8).finish()

const read = (bytes: Uint8Array): Values => {
  const reader = new ByteReader(bytes)
  const copy = (view: Buffer) => Uint8Array.from(view)
  const fixed = { u8: reader.u8(), u16: reader.u16(), u32: reader.u32(), u48: reader.u48(), i16: reader.i16() }
  const result = { ...fixed, bytes8: copy(reader.bytes8()), bytes16: copy(reader.bytes16()), str8: reader.str8() }
  reader.end()
  return result
}

describe('ByteWriter and ByteReader', () => {
  it('give back every kind of value', () => {
    fc.assert(fc.property(values, (v) => void expect(read(write(v))).toEqual(v)))
  })

  it('refuse every truncated prefix', () => {
    const bytes = write({ u8: 1, u16: 2, u32: 3, u48: 4, i16: -5, bytes8: new Uint8Array(3), bytes16: new Uint8Array(3), str8: 'ab' })
    for (let length = 0; length < bytes.length; length++) expect(() => read(bytes.subarray(0, length))).toThrow(malformed)
  })

  it('write big-endian', () => {
    expect(new ByteWriter().u16(0x0102).u48(0x030405060708).i16(-2).finish().toString('hex')).toBe('0102030405060708fffe')
  })

  it.each([-1, 256, 1.5, Number.NaN])('refuse %d as a byte', (value) => {
    expect(() => new ByteWriter().u8(value)).toThrow(malformed)
  })

  it('refuse texts longer than 255 bytes', () => {
    expect(() => new ByteWriter().str8('é'.repeat(128))).toThrow(malformed)
  })

  it('refuse invalid UTF-8 and keep a byte order mark', () => {
    expect(() => new ByteReader(Uint8Array.of(2, 0xc3, 0x28)).str8()).toThrow(malformed)
    expect(new ByteReader(Uint8Array.of(3, 0xef, 0xbb, 0xbf)).str8()).toBe('\uFEFF')
  })

  it('refuse bytes that follow the end', () => {
    expect(() => new ByteReader(Uint8Array.of(1)).end()).toThrow(malformed)
  })
})
