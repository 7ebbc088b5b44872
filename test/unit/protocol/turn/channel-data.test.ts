import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bindingMethod, encodeMessage, newTransaction } from '../../../../src/protocol/stun/message.js'
import { decodeChannelData, encodeChannelData, isChannelData } from '../../../../src/protocol/turn/channel.js'
import { TurnStreamDecoder } from '../../../../src/protocol/turn/stream-decoder.js'

const malformed = expect.objectContaining({ code: 'ERR_MALFORMED' }) as unknown as Error
const stun = encodeMessage({ class: 'success', method: bindingMethod, transaction: newTransaction(Buffer.from('0123456789ab')) }, [])

const decode = (stream: Buffer, cuts: readonly number[], maxBytes = 1_024): Buffer[] => {
  const messages: Buffer[] = []
  const decoder = new TurnStreamDecoder(maxBytes)
  let at = 0
  for (const cut of [...cuts, stream.length]) {
    if (at < stream.length) decoder.push(stream.subarray(at, at + cut), message => messages.push(Buffer.from(message)))
    at += cut
  }
  return messages
}

describe('ChannelData', () => {
  it.each([true, false])('comes back as it was written (over a stream: %s)', isStream => {
    fc.assert(fc.property(fc.integer({ min: 0x4000, max: 0x4fff }), fc.uint8Array({ maxLength: 100 }), (channel, bytes) => {
      const message = encodeChannelData(channel, bytes, isStream)
      expect(isChannelData(message)).toBe(true)
      expect(decodeChannelData(message)).toEqual({ channel, bytes: Buffer.from(bytes) })
      if (isStream) expect(message.length % 4).toBe(0)
    }))
  })

  it('is written as RFC 8656 section 12.4 has it', () => {
    expect(encodeChannelData(0x4001, Buffer.from('abcde'), false).toString('hex')).toBe('400100056162636465')
    expect(encodeChannelData(0x4001, Buffer.from('abcde'), true).toString('hex')).toBe('400100056162636465000000')
  })

  it('is refused when it is cut off', () => {
    const message = encodeChannelData(0x4000, Buffer.from('abcde'), false)
    for (let length = 0; length < message.length; length++) expect(() => decodeChannelData(message.subarray(0, length))).toThrow(malformed)
  })

  it('is told from STUN in a stream, however it is cut', () => {
    const messages = [stun, encodeChannelData(0x4000, Buffer.from('abcde'), true), encodeChannelData(0x4fff, Buffer.alloc(0), true), stun]
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 30 })), cuts => {
      expect(decode(Buffer.concat(messages), cuts)).toEqual(messages)
    }))
  })

  it.each([
    ['begins neither', Buffer.from('80000000', 'hex')],
    ['has a channel that no client may use', Buffer.from('50000000', 'hex')],
    ['is too long', encodeChannelData(0x4000, Buffer.alloc(1_024), true)],
    ['is STUN, and too long', Buffer.from('00010400', 'hex')],
  ])('ends a stream that %s', (_what, bytes) => {
    expect(() => decode(bytes, [])).toThrow(malformed)
  })
})
