import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaults } from '../../../../src/config/defaults.js'
import { StunStreamDecoder } from '../../../../src/protocol/stun/stream-decoder.js'
import { vectors } from './vectors.js'

const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' })
const messages = Object.values(vectors)
const stream = Buffer.concat(messages)

function decode(chunks: readonly Buffer[]): Buffer[] {
  const decoder = new StunStreamDecoder()
  const found: Buffer[] = []
  for (const chunk of chunks) decoder.push(chunk, message => found.push(Buffer.from(message)))
  return found
}

describe('STUN over a byte stream', () => {
  it('finds each message, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 12 }), places => {
        const cuts = [0, ...places.sort((a, b) => a - b), stream.length]
        expect(decode(cuts.slice(1).map((end, index) => stream.subarray(cuts[index], end)))).toEqual(messages)
      }),
    )
  })

  it('finds each message byte by byte', () => {
    expect(decode([...stream].map(byte => Buffer.from([byte])))).toEqual(messages)
  })

  it.each(Object.entries(vectors))('waits for the rest of every truncated message: %s', (_name, bytes) => {
    for (let length = 0; length < bytes.length; length++) expect(decode([bytes.subarray(0, length)])).toEqual([])
  })

  it.each([['no STUN message', '47455420'], ['a length that is no multiple of four', '00010002'], ['a message above the greatest length', '0001fffc']])('refuses %s by its first four bytes', (_what, hex) => {
    expect(() => decode([Buffer.from(hex, 'hex')])).toThrow(malformed)
  })

  it('refuses what follows a message and begins none', () => {
    expect(() => decode([vectors.request, Buffer.from('ffffffff', 'hex')])).toThrow(malformed)
  })

  it('keeps no more than one message', () => {
    const start = Buffer.alloc(4)
    start.writeUInt16BE(defaults.stun.maxMessageBytes - 20, 2)
    const decoder = new StunStreamDecoder()
    const sizes: number[] = []
    decoder.push(start, () => {})
    for (let sent = 0; sent < 100; sent++) decoder.push(Buffer.alloc(1_000), message => sizes.push(message.length))
    // zeros are messages of 20 bytes: they go as they come
    expect(sizes[0]).toBe(defaults.stun.maxMessageBytes)
    expect(sizes.slice(1).every(size => size === 20)).toBe(true)
  })
})
