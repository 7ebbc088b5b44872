import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dataPerFrame, framesFrom, encodeData, framedLength } from '../../../src/protocol/data-frames.js'
import { FrameDecoder } from '../../../src/protocol/frame-decoder.js'
import { SendBuffer } from '../../../src/streams/session/send-buffer.js'

/** Decodes DATA frames; they must follow each other without a gap. */
function payload(frames: Iterable<Buffer>, from: number): Buffer {
  const decoder = new FrameDecoder()
  const pieces: Buffer[] = []
  let at = from
  for (const bytes of frames) {
    decoder.push(bytes, frame => {
      if (frame.type !== 'data') throw new Error(`unexpected ${frame.type}`)
      expect(frame.offset).toBe(at)
      at += frame.bytes.length
      pieces.push(Buffer.from(frame.bytes))
    })
  }
  return Buffer.concat(pieces)
}

const some = fc.uint8Array({ minLength: 1, maxLength: 20_000 })

const framesOf = (repeated: ReturnType<SendBuffer['resend']>) => [...repeated].map(({ frames }) => frames)

describe('DATA frames', () => {
  it('carry exactly the bytes of the chunks, from any offset', () => {
    fc.assert(fc.property(fc.array(some, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 2 ** 40 }), fc.nat(), (chunks, start, seed) => {
      const all = Buffer.concat(chunks)
      const length = 1 + (seed % all.length)
      const encoded = encodeData(chunks, length, start)
      expect(encoded.length).toBe(framedLength(length))
      expect(payload([encoded], start).equals(all.subarray(0, length))).toBe(true)
      const from = seed % length
      expect(payload([framesFrom(encoded, start, start + from)], start + from).equals(all.subarray(from, length))).toBe(true)
    }), { numRuns: 60 })
  })
})

describe('a send buffer', () => {
  it('frames what was written, once, within what it may, and sends it again from any acknowledged offset', () => {
    fc.assert(fc.property(fc.array(fc.tuple(some, fc.integer({ min: 1, max: 30_000 }), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 1, maxLength: 8 }), steps => {
      const buffer = new SendBuffer()
      const written = Buffer.concat(steps.map(([chunk]) => chunk))
      const sent: Buffer[] = []
      for (const [chunk, limit, share] of steps) {
        buffer.push(chunk)
        const before = buffer.framed
        const batch = buffer.take(limit)
        if (batch !== undefined) sent.push(batch)
        expect(buffer.framed - before).toBeLessThanOrEqual(limit)
        expect(buffer.acknowledge(buffer.acknowledged + Math.floor((buffer.framed - buffer.acknowledged) * share))).toBe(true)
        const again = payload(framesOf(buffer.resend(buffer.acknowledged)), buffer.acknowledged)
        expect(again.equals(written.subarray(buffer.acknowledged, buffer.framed))).toBe(true)
      }
      expect(payload(sent, 0).equals(written.subarray(0, buffer.framed))).toBe(true)
      expect(buffer.waitingBytes).toBe(written.length - buffer.framed)
    }), { numRuns: 60 })
  })

  it('sends again only what was framed before an end', () => {
    const buffer = new SendBuffer()
    buffer.push(Buffer.from('left to the old channel'))
    buffer.take(100)
    const end = buffer.framed
    buffer.push(Buffer.from(', and what came after'))
    buffer.take(100)
    buffer.acknowledge(5)
    expect(payload(framesOf(buffer.resend(buffer.acknowledged, end)), 5).toString()).toBe('to the old channel')
  })

  it('calls a writer back when less than a frame of its bytes is left, and keeps that rest apart', () => {
    const buffer = new SendBuffer()
    const chunk = Buffer.alloc(2 * dataPerFrame + 10, 'a')
    let calls = 0
    buffer.push(chunk, () => calls++)
    buffer.take(dataPerFrame)
    buffer.tellWriters()
    expect(calls).toBe(0)
    buffer.take(dataPerFrame)
    buffer.tellWriters()
    expect(calls).toBe(1)
    chunk.fill('b')
    expect(buffer.waitingBytes).toBe(10)
    expect(payload([buffer.take(10)!], 2 * dataPerFrame)).toEqual(Buffer.alloc(10, 'a'))
    buffer.tellWriters()
    expect(calls).toBe(1)
  })

  it('calls the writer of an empty chunk back after those before it', () => {
    const buffer = new SendBuffer()
    const told: string[] = []
    buffer.push(Buffer.from('bytes'), () => told.push('bytes'))
    buffer.push(Buffer.alloc(0), () => told.push('empty'))
    expect(told).toEqual([])
    buffer.take(5)
    buffer.tellWriters()
    expect(told).toEqual(['bytes', 'empty'])
    buffer.push(Buffer.alloc(0), () => told.push('alone'))
    expect(told).toEqual(['bytes', 'empty', 'alone'])
  })

  it('refuses an acknowledgement of bytes that were not sent and ignores an old one', () => {
    const buffer = new SendBuffer()
    buffer.push(Buffer.alloc(10))
    buffer.take(10)
    expect(buffer.acknowledge(11)).toBe(false)
    expect(buffer.acknowledge(7)).toBe(true)
    expect(buffer.acknowledge(3)).toBe(true)
    expect(buffer.acknowledged).toBe(7)
    expect(buffer.isSettled).toBe(false)
  })

  it('gives back the writers that wait when it is dropped', () => {
    const buffer = new SendBuffer()
    let error: Error | undefined
    buffer.push(Buffer.alloc(10), given => (error = given))
    for (const done of buffer.drop()) done(new Error('gone'))
    expect(error?.message).toBe('gone')
    expect(buffer.waitingBytes).toBe(0)
  })
})
