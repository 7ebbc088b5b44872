import { describe, expect, it } from 'vitest'
import { RateWindow } from '../../../src/net/stun-rate.js'

const count = (rate: RateWindow, source: string, nowMs: number): number => Array.from({ length: 10 }, () => rate.take(source, nowMs)).filter(taken => taken).length

describe('a rate window', () => {
  it('gives each source its share, and all of them theirs', () => {
    const rate = new RateWindow({ windowMs: 1_000, perSource: 3, inAll: 5 })
    expect([count(rate, 'a', 0), count(rate, 'b', 10), count(rate, 'c', 999)]).toEqual([3, 2, 0])
  })

  it('begins anew with each window', () => {
    const rate = new RateWindow({ windowMs: 1_000, perSource: 3, inAll: 5 })
    expect([count(rate, 'a', 1_999), count(rate, 'a', 2_000)]).toEqual([3, 3])
  })
})
