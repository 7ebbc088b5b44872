import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase32, encodeBase32 } from '../../../src/protocol/base32.js'

describe('base32', () => {
  // RFC 4648 section 10, in lower case and without padding.
  it.each([
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ])('writes and reads the RFC 4648 vector %j', (text, encoded) => {
    expect(encodeBase32(Buffer.from(text))).toBe(encoded)
    expect(Buffer.from(decodeBase32(encoded) ?? []).toString()).toBe(text)
  })

  it('gives back whatever bytes it wrote', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes)))
  })

  it('accepts one text only for each byte string', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z2-7]{0,60}$/), (text) => {
        const bytes = decodeBase32(text)
        if (bytes !== undefined) expect(encodeBase32(bytes)).toBe(text)
      }),
    )
  })

  it.each(['a', 'aaa', 'aaaaaa', 'mz', 'mzxx', 'MZXQ', 'mz1q', 'mzxq====', 'mz xq', 'mzxé'])('refuses %j', (text) => {
    expect(decodeBase32(text)).toBeUndefined()
  })
})
