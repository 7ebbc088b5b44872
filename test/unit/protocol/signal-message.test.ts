import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeSignalBody, encodeSignalBody, type LookupMessage, type OfferMessage, type SignalMessage, signalTypeCode } from '../../../src/protocol/signal-message.js'
import { anyMessage } from './arbitraries.js'

const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' }) as Error
const id = (digit: string) => digit.repeat(32)
const inbox = `tl/1/${'a'.repeat(32)}`
const offer: OfferMessage = {
  type: 'offer',
  session: id('1'),
  attempt: id('2'),
  protocol: 'chat',
  strategies: ['direct', 'relay'],
  interfaces: [{ family: 4, local: { host: '10.0.0.1', port: 1 } }],
  punch: [{ family: 4, external: { host: '203.0.113.9', port: 2 }, range: [3, 4] }],
  relay: [{ relayed: { host: '198.51.100.1', port: 5 }, server: { host: '2001:db8::1', port: 3_478 } }],
  inbox,
  doorKey: new Uint8Array(16),
  machineTag: new Uint8Array(8),
  brokerRttMs: 12,
}
const bound = { of: id('3'), attempt: id('2'), round: 1 }
const update = { type: 'update', ...bound, punch: offer.punch, relay: offer.relay } as const
const commit = { type: 'commit', ...bound, atMs: 1_700_000_000_000 } as const
const lookup: LookupMessage = { type: 'lookup', inbox, doorKey: new Uint8Array(16) }
const field = (tag: number, value: Uint8Array) => Buffer.concat([Buffer.from([tag, value.length >> 8, value.length & 255]), value])

describe('signal message', () => {
  it('is given back, whatever its type and optional parts', () => {
    fc.assert(fc.property(anyMessage, (message) => void expect(decodeSignalBody(signalTypeCode(message), encodeSignalBody(message))).toEqual(message)), { numRuns: 500 })
  })

  it.each<SignalMessage>([offer, commit])('$type is refused when cut off inside a field or before a required one', (message) => {
    const body = encodeSignalBody(message)
    const type = signalTypeCode(message)
    for (let length = 0; length < body.length; length++) expect(() => decodeSignalBody(type, body.subarray(0, length))).toThrow(malformed)
  })

  it('update is refused when cut off anywhere but between its records', () => {
    const body = encodeSignalBody(update)
    const whole = [{ ...update, punch: [], relay: [] }, { ...update, relay: [] }].map((message) => ({ message, length: encodeSignalBody(message).length }))
    for (let length = 0; length < body.length; length++) {
      const decode = () => decodeSignalBody(3, body.subarray(0, length))
      const shorter = whole.find((one) => one.length === length)
      if (shorter === undefined) expect(decode).toThrow(malformed)
      else expect(decode()).toEqual(shorter.message)
    }
  })

  it('has the bytes of section 4.3 for a punch', () => {
    const [of, attempt] = [field(11, Buffer.alloc(16, 0x33)), field(2, Buffer.alloc(16, 0x22))]
    const round = field(16, Uint8Array.of(1))
    expect(encodeSignalBody(update)).toEqual(Buffer.concat([of, attempt, round, field(15, Buffer.from('040a' + 'cb0071090002' + '00030004', 'hex')), field(18, Buffer.from('06' + '04c63364010005' + '0620010db8000000000000000000000001' + '0d96', 'hex'))]))
    expect(encodeSignalBody(commit)).toEqual(Buffer.concat([of, attempt, round, field(17, Buffer.from('018bcfe56800', 'hex'))]))
  })

  it('keeps listening endpoints and those of the punch apart', () => {
    const { interfaces, punch } = offer
    expect(decodeSignalBody(1, encodeSignalBody({ ...offer, interfaces: punch, punch: interfaces }))).toEqual({ ...offer, interfaces: punch, punch: interfaces })
  })

  it('has three punch records of each family besides its interfaces, and no more', () => {
    const records = ([4, 6] as const).flatMap((family) => Array.from({ length: 3 }, () => ({ family })))
    const message = { ...offer, interfaces: records, punch: records }
    expect(decodeSignalBody(1, encodeSignalBody(message))).toEqual(message)
    expect(() => encodeSignalBody({ ...message, punch: [...records, { family: 4 }] })).toThrow(malformed)
    const fourth = field(15, Uint8Array.of(6, 0))
    expect(() => decodeSignalBody(3, Buffer.concat([encodeSignalBody({ ...update, punch: records.slice(3) }), fourth]))).toThrow(malformed)
    expect(() => decodeSignalBody(3, Buffer.concat([encodeSignalBody({ ...update, punch: records }), fourth]))).toThrow(malformed)
  })

  it('has four relay records, and no more; those of other transports are skipped', () => {
    const relay = [1, 2, 3, 4].map((port) => ({ relayed: { host: '198.51.100.1', port }, server: { host: '198.51.100.2', port: 3_478 } }))
    const full = { ...update, relay }
    expect(decodeSignalBody(3, encodeSignalBody(full))).toEqual(full)
    expect(() => encodeSignalBody({ ...full, relay: [...relay, ...relay] })).toThrow(malformed)
    const overUdp = field(18, Buffer.from('11' + '04c63364010005' + '04c63364010005', 'hex'))
    expect(() => decodeSignalBody(3, Buffer.concat([encodeSignalBody(full), overUdp]))).toThrow(malformed)
    expect(decodeSignalBody(3, Buffer.concat([encodeSignalBody(update), overUdp]))).toEqual(update)
  })

  it.each([
    ['a family that is none', '06' + '05c63364010005' + '04c63364010005'],
    ['port 0', '06' + '04c63364010000' + '04c63364010005'],
    ['bytes behind it', '06' + '04c63364010005' + '04c63364010005' + '00'],
    ['a server that is cut off', '06' + '04c63364010005' + '06c63364010005'],
    ['an IPv4 address dressed up as IPv6', '06' + '0600000000000000000000ffffc63364010005' + '04c63364010005'],
  ])('is not read with a relay record of %s', (_, hex) => {
    expect(() => decodeSignalBody(3, Buffer.concat([encodeSignalBody({ ...update, relay: [] }), field(18, Buffer.from(hex, 'hex'))]))).toThrow(malformed)
  })

  it.each([0, 11, 255])('is refused for the unknown type %d', (type) => {
    expect(() => decodeSignalBody(type, encodeSignalBody(offer))).toThrow(malformed)
  })

  it('skips fields of other types and of later versions', () => {
    const body = Buffer.concat([encodeSignalBody(lookup), field(9, new Uint8Array(2)), field(99, new Uint8Array(5))])
    expect(decodeSignalBody(10, body)).toEqual(lookup)
  })

  it('ignores strategies of later versions and repeated ones', () => {
    const body = encodeSignalBody({ ...offer, strategies: ['punch'] })
    const at = body.indexOf(field(4, Uint8Array.of(3)))
    const changed = Buffer.concat([body.subarray(0, at), field(4, Uint8Array.of(9, 3, 0, 3, 1)), body.subarray(at + 4)])
    expect(decodeSignalBody(1, changed)).toMatchObject({ strategies: ['punch', 'direct'] })
  })

  it('rounds times down and holds the round trip to its field', () => {
    const decoded = decodeSignalBody(1, encodeSignalBody({ ...offer, brokerRttMs: 1e9 }))
    expect(decoded).toMatchObject({ brokerRttMs: 65_535 })
    expect(decodeSignalBody(1, encodeSignalBody({ ...offer, brokerRttMs: 1.9 }))).toMatchObject({ brokerRttMs: 1 })
  })

  it.each([
    ['a wildcard as inbox', { ...lookup, inbox: 'tl/1/#' }],
    ['a foreign topic as inbox', { ...lookup, inbox: 'home/alarm' }],
    ['a short session', { ...offer, session: '12' }],
    ['an upper-case attempt', { ...offer, attempt: id('A') }],
    ['a long protocol', { ...offer, protocol: 'x'.repeat(256) }],
    ['a short door key', { ...offer, doorKey: new Uint8Array(15) }],
    ['a round above 255', { ...update, round: 256 }],
    ['a round that is no whole number', { ...commit, round: 1.5 }],
    ['an answer to nothing', { ...commit, of: '' }],
    ['a code that is none', { type: 'refuse', attempt: id('1'), of: id('2'), code: '\u001b[2J' }],
    ['a long address', { type: 'ack', of: id('1'), address: new Uint8Array(1_025) }],
  ] as const)('is not written with %s', (_, message) => {
    expect(() => encodeSignalBody(message)).toThrow(malformed)
  })

  it.each([
    ['a wildcard as inbox', Buffer.concat([field(6, Buffer.from(`tl/1/${'+'.repeat(32)}`)), field(7, new Uint8Array(16))])],
    ['a repeated door key', Buffer.concat([encodeSignalBody(lookup), field(7, new Uint8Array(16))])],
    ['a nonce of 15 bytes', Buffer.concat([encodeSignalBody(lookup), field(13, new Uint8Array(15))])],
  ])('is not read with %s', (_, body) => {
    expect(() => decodeSignalBody(10, body)).toThrow(malformed)
  })

  it.each([
    ['two rounds', field(16, Uint8Array.of(2))],
    ['two moments', field(17, new Uint8Array(6))],
  ])('commit is not read with %s', (_, more) => {
    expect(() => decodeSignalBody(4, Buffer.concat([encodeSignalBody(commit), more]))).toThrow(malformed)
  })

  it('is refused by code, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.nat(12), fc.uint8Array({ maxLength: 300 }), (type, body) => {
        try {
          decodeSignalBody(type, body)
        } catch (error) {
          expect(error).toEqual(malformed)
        }
      }),
    )
  })
})
