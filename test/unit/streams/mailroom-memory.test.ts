import { describe, expect, it } from 'vitest'
import { RateLimit, SeenLetters } from '../../../src/streams/mailroom/seen-letters.js'

describe('letters seen', () => {
  it('are remembered for ten minutes', () => {
    const seen = new SeenLetters()
    expect([seen.isRepeat('a', '1', 0), seen.isRepeat('a', '1', 599_999), seen.isRepeat('a', '1', 600_000)]).toEqual([false, true, false])
  })

  it('are at most 4,096: the eldest is forgotten', () => {
    const seen = new SeenLetters()
    for (let index = 0; index < 4_097; index++) seen.isRepeat('a', String(index), 0)
    expect([seen.isRepeat('a', '4096', 0), seen.isRepeat('a', '1', 0), seen.isRepeat('a', '0', 0)]).toEqual([true, true, false])
  })

  it('are forgotten when told so', () => {
    const seen = new SeenLetters()
    seen.isRepeat('a', '1', 0)
    seen.forget('a', '1')
    expect(seen.isRepeat('a', '1', 0)).toBe(false)
  })
})

it('a rate limit begins anew with each second', () => {
  const limit = new RateLimit(2)
  expect([0, 1, 2, 999, 1_000, 1_001, 1_002].map(nowMs => limit.take(nowMs))).toEqual([true, true, false, false, true, true, false])
})
