import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeData } from '../../../src/protocol/data-frames.js'
import { FrameDecoder } from '../../../src/protocol/frame-decoder.js'
import { encodeFrame, type ControlFrame, type Frame } from '../../../src/protocol/frames.js'

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes).toString('hex'))
const text = fc.string({ unit: 'grapheme', maxLength: 60 }).filter(value => Buffer.byteLength(value) <= 255)

const control: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), version: fc.integer({ min: 0, max: 255 }), role: fc.constantFrom('initiator' as const, 'responder' as const), session: id, attempt: id }),
  fc.record({ type: fc.constant('open' as const), epoch: u32, established: fc.boolean(), receivedOffset: u48, maxOffset: u48, protocol: text, reason: text }),
  fc.record({ type: fc.constant('accept' as const), epoch: u32, receivedOffset: u48, maxOffset: u48 }),
  fc.record({ type: fc.constant('pending' as const), epoch: u32 }),
  fc.record({ type: fc.constant('refuse' as const), epoch: u32, code: text }),
  fc.record({ type: fc.constant('ack' as const), receivedOffset: u48, maxOffset: u48 }),
  fc.record({ type: fc.constant('fin' as const), offset: u48 }),
  fc.record({ type: fc.constant('abort' as const), code: text }),
  fc.record({ type: fc.constantFrom('ping' as const, 'pong' as const), token: u32 }),
)

/** DATA pieces of one frame are joined again, so that how they were cut does not matter. */
function decode(chunks: readonly Uint8Array[]): Frame[] {
  const frames: Frame[] = []
  const decoder = new FrameDecoder()
  for (const chunk of chunks) {
    decoder.push(Buffer.from(chunk), frame => {
      const last = frames.at(-1)
      if (frame.type === 'data' && last?.type === 'data' && last.offset + last.bytes.length === frame.offset) {
        frames[frames.length - 1] = { ...last, bytes: Buffer.concat([last.bytes, frame.bytes]) }
      } else frames.push(frame.type === 'data' ? { ...frame, bytes: Buffer.from(frame.bytes) } : frame)
    })
  }
  return frames
}

describe('control frames', () => {
  it('come back as they were written', () => {
    fc.assert(fc.property(control, frame => {
      expect(decode([encodeFrame(frame)])).toEqual([frame])
    }))
  })

  it('are not emitted while any byte is missing', () => {
    fc.assert(fc.property(control, frame => {
      const bytes = encodeFrame(frame)
      for (let length = 0; length < bytes.length; length++) expect(decode([bytes.subarray(0, length)])).toEqual([])
    }), { numRuns: 50 })
  })

  it('with a body that is too short or too long are a violation', () => {
    fc.assert(fc.property(control, frame => {
      const bytes = encodeFrame(frame)
      const longer = Buffer.concat([bytes, Buffer.from([0])])
      longer.writeUInt16BE(longer.length - 3, 1)
      const shorter = Buffer.from(bytes.subarray(0, -1))
      shorter.writeUInt16BE(shorter.length - 3, 1)
      expect(() => decode([longer])).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }))
      expect(() => decode([shorter])).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }))
    }))
  })

  it('refuse to write a text above 255 bytes', () => {
    expect(() => encodeFrame({ type: 'abort', code: 'x'.repeat(256) })).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }))
  })
})

describe('a frame decoder', () => {
  const ignorable = fc.tuple(fc.integer({ min: 128, max: 255 }), fc.uint8Array({ maxLength: 40 }))
    .map(([type, body]) => Buffer.concat([Buffer.from([type, 0, body.length]), body]))
  const encoded = fc.oneof(
    control.map(encodeFrame),
    ignorable,
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40_000 }), u48.filter(offset => offset < 2 ** 47)).map(([bytes, offset]) => encodeData([bytes], bytes.length, offset)),
  )

  it('finds the same frames however the bytes are cut', () => {
    fc.assert(fc.property(fc.array(encoded, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 20 }), (frames, sizes) => {
      const bytes = Buffer.concat(frames)
      const chunks: Buffer[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length]!
        chunks.push(bytes.subarray(at, at + size))
        at += size
      }
      expect(decode(chunks)).toEqual(decode([bytes]))
    }), { numRuns: 60 })
  })

  it('finds the same frames byte by byte', () => {
    fc.assert(fc.property(fc.array(control, { maxLength: 4 }), frames => {
      const bytes = Buffer.concat(frames.map(encodeFrame))
      expect(decode([...bytes].map(byte => Uint8Array.of(byte)))).toEqual(frames)
    }), { numRuns: 30 })
  })

  it('skips unknown frames from 128 up and refuses those below', () => {
    expect(decode([Buffer.from([128, 0, 1, 9, 255, 0, 0])])).toEqual([])
    expect(() => decode([Buffer.from([12, 0, 0])])).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }))
    expect(() => decode([Buffer.from([0, 0, 0])])).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }))
  })

  it.each([['large DATA', [6, 0x40, 0x07]], ['bare DATA', [6, 0, 6]], ['control', [7, 4, 1]], ['skipped', [200, 4, 1]]])(
    'refuses a %s frame of a forbidden length before its body is there', (_, header) => {
      expect(() => decode([Buffer.from(header)])).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }))
    })
})
