import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeInterfaceRecord, decodeInterfaces, encodeInterfaceRecord, encodeInterfaces, type InterfaceRecord } from '../../../src/protocol/interface-record.js'
import { interfaceOf, interfaces } from './arbitraries.js'

const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' }) as Error
const hex = (text: string) => Buffer.from(text, 'hex')
const record: InterfaceRecord = {
  family: 4,
  local: { host: '192.168.1.2', port: 7_001 },
  external: { host: '203.0.113.9', port: 7_002 },
  nat: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', allocation: 'sequential', delta: -2 },
  range: [1_024, 65_535],
}

describe('interface record', () => {
  it('is given back, whatever parts it has', () => {
    fc.assert(fc.property(fc.oneof(interfaceOf(4), interfaceOf(6)), (value) => void expect(decodeInterfaceRecord(encodeInterfaceRecord(value))).toEqual(value)))
  })

  it('has the bytes of section 2', () => {
    expect(encodeInterfaceRecord(record).toString('hex')).toBe('040f' + 'c0a801021b59' + 'cb0071091b5a' + '020404fffe' + '0400ffff')
  })

  it('is refused when cut off anywhere or followed by more', () => {
    const bytes = encodeInterfaceRecord(record)
    for (let length = 0; length < bytes.length; length++) expect(() => decodeInterfaceRecord(bytes.subarray(0, length))).toThrow(malformed)
    expect(() => decodeInterfaceRecord(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(malformed)
  })

  it.each([
    ['an unknown family', '0500'],
    ['unknown flags', '0410'],
    ['port 0', '0401c0a801020000'],
    ['an unknown mapping', '0404' + '0500000000'],
    ['an unknown allocation', '0404' + '0000070000'],
    ['a range that begins at port 0', '0408' + '0000ffff'],
    ['a range that ends before it begins', '0408' + '00020001'],
    ['IPv4 dressed up as IPv6', `0601${'00'.repeat(10)}ffff7f0000011b59`],
  ])('is refused with %s', (_, bytes) => {
    expect(() => decodeInterfaceRecord(hex(bytes))).toThrow(malformed)
  })

  it('may have a range of one port', () => {
    expect(decodeInterfaceRecord(hex('0408' + '00010001'))).toEqual({ family: 4, range: [1, 1] })
  })

  it('loses the zone of a link-local address', () => {
    const decoded = decodeInterfaceRecord(encodeInterfaceRecord({ family: 6, local: { host: 'fe80::1%eth0', port: 1 } }))
    expect(decoded.local).toEqual({ host: 'fe80::1', port: 1 })
  })

  it.each([
    ['a host name', { family: 4, local: { host: 'localhost', port: 1 } }],
    ['the wrong family', { family: 6, local: { host: '127.0.0.1', port: 1 } }],
    ['a mapped address', { family: 6, local: { host: '::ffff:127.0.0.1', port: 1 } }],
    ['port 0', { family: 4, local: { host: '127.0.0.1', port: 0 } }],
    ['a range that begins at port 0', { family: 4, range: [0, 1] }],
    ['a range that ends before it begins', { family: 4, range: [2, 1] }],
    ['a range that ends at port 65536', { family: 4, range: [1, 65_536] }],
    ['port 65536', { family: 4, local: { host: '127.0.0.1', port: 65_536 } }],
  ] as const)('is not written with %s', (_, value) => {
    expect(() => encodeInterfaceRecord(value)).toThrow(malformed)
  })
})

describe('interface records', () => {
  it('are given back, up to three of each family', () => {
    fc.assert(fc.property(interfaces, (value) => void expect(decodeInterfaces(encodeInterfaces(value))).toEqual(value)))
  })

  it('are refused when one family has four', () => {
    expect(() => encodeInterfaces([record, record, record, record])).toThrow(malformed)
    expect(() => decodeInterfaces(Array.from({ length: 4 }, () => encodeInterfaceRecord(record)))).toThrow(malformed)
  })
})
