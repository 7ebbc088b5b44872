import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import { ReceiveBuffer } from '../../../src/streams/session/receive-buffer.js'
import { ReceiveWindow } from '../../../src/streams/session/receive-window.js'
import { WindowPool } from '../../../src/streams/session/window-pool.js'

const { baseWindow, maxWindow } = defaults.session
const unlimited = Number.MAX_SAFE_INTEGER

function takeAll(buffer: ReceiveBuffer): Buffer[] {
  const pieces: Buffer[] = []
  for (let piece = buffer.take(); piece !== undefined; piece = buffer.take()) pieces.push(piece)
  return pieces
}

describe('a receive buffer', () => {
  it('gives each byte once, however often and overlapping the pieces come', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), fc.array(fc.tuple(fc.nat(2_000), fc.integer({ min: 1, max: 700 }))), (bytes, pieces) => {
      const all = Buffer.from(bytes)
      const buffer = new ReceiveBuffer()
      const taken: Buffer[] = []
      for (const [from, length] of pieces) {
        const offset = Math.min(from, all.length)
        const before = buffer.receivedBytes
        expect(buffer.accept(offset, all.subarray(offset, offset + length), unlimited)).toBe(offset <= before)
        if (from % 3 === 0) taken.push(...takeAll(buffer))
      }
      buffer.accept(buffer.receivedBytes, all.subarray(buffer.receivedBytes), unlimited)
      expect(buffer.finish(all.length)).toBe(true)
      taken.push(...takeAll(buffer))
      expect(Buffer.concat(taken).equals(all)).toBe(true)
      expect(buffer.isDrained).toBe(true)
    }))
  })

  it('packs tiny pieces that nobody reads', () => {
    const buffer = new ReceiveBuffer()
    const bytes = Buffer.from(Array.from({ length: 60_000 }, (_, index) => index % 251))
    for (let at = 0; at < bytes.length; at++) buffer.accept(at, bytes.subarray(at, at + 1), unlimited)
    const pieces = takeAll(buffer)
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
    expect(pieces.length).toBeLessThan(100)
  })

  it('keeps what the application has taken as it was while more is packed', () => {
    const buffer = new ReceiveBuffer()
    for (let at = 0; at < 100; at++) buffer.accept(at, Buffer.from([at]), unlimited)
    const taken = takeAll(buffer)
    for (let at = 100; at < 300; at++) buffer.accept(at, Buffer.from([at & 255]), unlimited)
    expect([...Buffer.concat(taken)]).toEqual(Array.from({ length: 100 }, (_, index) => index))
  })

  it('refuses gaps, bytes beyond the credit, and bytes after the end', () => {
    const buffer = new ReceiveBuffer()
    expect(buffer.accept(1, Buffer.alloc(1), unlimited)).toBe(false)
    expect(buffer.accept(0, Buffer.alloc(11), 10)).toBe(false)
    expect(buffer.accept(0, Buffer.alloc(10), 10)).toBe(true)
    expect(buffer.finish(9)).toBe(false)
    expect(buffer.finish(10)).toBe(true)
    expect(buffer.finish(10)).toBe(true)
    expect(buffer.finish(11)).toBe(false)
    expect(buffer.accept(10, Buffer.alloc(1), unlimited)).toBe(false)
  })

  it('puts what a new channel brings behind what the old one still brings, in whatever order', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 3, maxLength: 3_000 }), fc.nat(), fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 400 })), { minLength: 1 }), (bytes, at, turns) => {
      const all = Buffer.from(bytes)
      const gapEnd = 1 + (at % (all.length - 1))
      const buffer = new ReceiveBuffer()
      const taken: Buffer[] = []
      const next = { old: 0, new: gapEnd }
      const bring = (by: 'old' | 'new', length: number) => {
        const end = Math.min(next[by] + length, by === 'old' ? gapEnd : all.length)
        const piece = all.subarray(next[by], end)
        if (piece.length > 0) expect(buffer.accept(next[by], piece, unlimited, by === 'new')).toBe(true)
        next[by] = end
        taken.push(...takeAll(buffer))
        expect(buffer.receivedBytes).toBe(next.old < gapEnd ? next.old : next.new)
      }
      for (const [isNew, length] of turns) bring(isNew ? 'new' : 'old', length)
      expect(buffer.finish(all.length, true)).toBe(true)
      bring('new', all.length)
      bring('old', all.length)
      expect(Buffer.concat(taken).equals(all)).toBe(true)
      expect(buffer.isDrained).toBe(true)
    }))
  })

  it('lets one run of bytes wait behind a gap, and drops what fills it twice', () => {
    const buffer = new ReceiveBuffer()
    expect(buffer.accept(10, Buffer.from('k'), unlimited, true)).toBe(true)
    expect(buffer.accept(12, Buffer.from('m'), unlimited, true), 'a second gap').toBe(false)
    expect(buffer.accept(9, Buffer.from('j'), unlimited, true), 'before the run').toBe(false)
    expect(buffer.accept(11, Buffer.from('l'), unlimited)).toBe(true)
    expect(buffer.received).toBe(0)
    expect(buffer.accept(0, Buffer.from('abcdefghijkl'), unlimited)).toBe(true)
    expect(buffer.accept(5, Buffer.from('fgh'), unlimited)).toBe(true)
    expect(Buffer.concat(takeAll(buffer)).toString()).toBe('abcdefghijkl')
  })

  it('takes the end before what the old channel still brings', () => {
    const buffer = new ReceiveBuffer()
    expect(buffer.finish(3), 'where nothing may be ahead').toBe(false)
    expect(buffer.finish(3, true)).toBe(true)
    expect(buffer.isComplete).toBe(false)
    expect(buffer.accept(3, Buffer.alloc(1), unlimited, true)).toBe(false)
    expect(buffer.accept(0, Buffer.alloc(3), unlimited)).toBe(true)
    expect(buffer.received).toBe(4)
  })

  it('packs tiny pieces that wait behind a gap', () => {
    const buffer = new ReceiveBuffer()
    for (let at = 1; at < 60_000; at++) buffer.accept(at, Buffer.alloc(1), unlimited, true)
    buffer.accept(0, Buffer.alloc(1), unlimited)
    expect(takeAll(buffer).length).toBeLessThan(150)
  })

  it('counts the FIN as one offset', () => {
    const buffer = new ReceiveBuffer()
    buffer.accept(0, Buffer.alloc(4), unlimited)
    expect(buffer.received).toBe(4)
    buffer.finish(4)
    expect(buffer.received).toBe(5)
    expect(buffer.receivedBytes).toBe(4)
  })
})

describe('a receive window', () => {
  it('starts at the base and stays there while the reader is slower than two round trips per window', () => {
    const pool = new WindowPool(maxWindow)
    const window = new ReceiveWindow(pool, 0)
    expect(window.update(baseWindow, 100, 10)).toBe(2 * baseWindow)
    expect(pool.lent).toBe(0)
  })

  it('doubles up to the maximum while the window limits the flow, and gives all back', () => {
    const pool = new WindowPool(4 * maxWindow)
    const window = new ReceiveWindow(pool, 0)
    let consumed = 0
    for (let nowMs = 1; nowMs < 40; nowMs++) {
      consumed = window.maxOffset
      window.update(consumed, nowMs, 40)
    }
    expect(window.maxOffset - consumed).toBe(maxWindow)
    expect(pool.lent).toBe(maxWindow - baseWindow)
    window.close()
    expect(pool.lent).toBe(0)
  })

  it('lives with what the pool has left', () => {
    const pool = new WindowPool(1_000)
    const window = new ReceiveWindow(pool, 0)
    expect(window.update(baseWindow, 1, 10)).toBe(2 * baseWindow + 1_000)
    expect(window.update(2 * baseWindow, 2, 10)).toBe(3 * baseWindow + 1_000)
    expect(pool.lent).toBe(1_000)
  })

  it('never takes credit back', () => {
    const window = new ReceiveWindow(new WindowPool(0), 0)
    const granted = window.update(baseWindow / 2, 1, 10)
    expect(window.update(0, 2, 10)).toBe(granted)
  })
})

describe('a window pool', () => {
  it('never lends more than it has', () => {
    fc.assert(fc.property(fc.nat(10_000), fc.array(fc.nat(5_000)), (limit, wishes) => {
      const pool = new WindowPool(limit)
      const lent = wishes.map(bytes => pool.borrow(bytes))
      expect(pool.lent).toBe(lent.reduce((sum, bytes) => sum + bytes, 0))
      expect(pool.lent).toBeLessThanOrEqual(limit)
      for (const bytes of lent) pool.giveBack(bytes)
      expect(pool.lent).toBe(0)
    }))
  })
})
