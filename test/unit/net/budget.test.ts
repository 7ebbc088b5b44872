import { beforeEach, describe, expect, it } from 'vitest'
import { Budget } from '../../../src/net/budget.js'
import { FakeClock } from '../../support/fake-clock.js'

let clock: FakeClock
let budget: Budget
beforeEach(() => {
  clock = new FakeClock()
  budget = new Budget(clock)
})

const times = (count: number, take: () => boolean): boolean[] => Array.from({ length: count }, take)

describe('offers of strangers', () => {
  it('are four a second', () => {
    expect(times(5, () => budget.takeStrangerOffer())).toEqual([true, true, true, true, false])
  })

  it('are counted over a sliding second, not from its first', () => {
    budget.takeStrangerOffer()
    clock.advance(900)
    times(3, () => budget.takeStrangerOffer())
    clock.advance(100)
    expect(times(2, () => budget.takeStrangerOffer())).toEqual([true, false])
  })

  it('that were refused do not prolong the refusal', () => {
    times(50, () => budget.takeStrangerOffer())
    clock.advance(1_000)
    expect(times(5, () => budget.takeStrangerOffer())).toEqual([true, true, true, true, false])
  })
})

describe('connects for strangers', () => {
  let attempts: number
  beforeEach(() => void (attempts = 0))
  /** For an attempt of its own. */
  const dial = (host: string) => budget.takeStrangerDial(`attempt-${attempts++}`, host)

  it('are four an attempt, two SYNs each', () => {
    expect(times(5, () => budget.takeStrangerDial('one', '192.0.2.1'))).toEqual([true, true, true, true, false])
    expect(budget.takeStrangerDial('other', '192.0.2.1')).toBe(true)
  })

  it('go to two addresses an attempt', () => {
    const hosts = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.1']
    expect(hosts.map(host => budget.takeStrangerDial('one', host))).toEqual([true, true, false, true])
  })

  it('to one address stay within 16 SYNs a minute', () => {
    expect(times(9, () => dial('192.0.2.1'))).toEqual([...times(8, () => true), false])
  })

  it('are counted by address', () => {
    times(8, () => dial('192.0.2.1'))
    expect(dial('192.0.2.2')).toBe(true)
  })

  it('that an address has no room for cost their attempt nothing', () => {
    times(8, () => dial('192.0.2.1'))
    expect(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(host => budget.takeStrangerDial('one', host))).toEqual([false, true, true])
  })

  it('may go on after a minute', () => {
    times(8, () => dial('192.0.2.1'))
    clock.advance(59_999)
    expect(dial('192.0.2.1')).toBe(false)
    clock.advance(1)
    expect(dial('192.0.2.1')).toBe(true)
  })

  it('leave reverse two of them', () => {
    expect(budget.strangerDialsPerOffer).toBe(2)
  })

  it('forget the address that was dialled longest ago, above 4,096 of them', () => {
    times(8, () => dial('first'))
    for (let index = 0; index < 4_095; index++) dial(`host-${index}`)
    expect(dial('first')).toBe(false)
    for (let index = 0; index < 4_096; index++) dial(`other-${index}`)
    expect(dial('first')).toBe(true)
  })

  it('forget the attempt that dialled longest ago, above 4,096 of them', () => {
    times(4, () => budget.takeStrangerDial('first', '192.0.2.1'))
    for (let index = 0; index < 4_096; index++) dial(`host-${index}`)
    expect(budget.takeStrangerDial('first', '192.0.2.1')).toBe(true)
  })
})

describe('attempts at once', () => {
  it('are 64 for known peers', () => {
    const leaves = Array.from({ length: 65 }, () => budget.enterAttempt('known'))
    expect(leaves.filter(leave => leave !== undefined)).toHaveLength(64)
  })

  it('may begin again when one has ended, which counts once', () => {
    const [first] = Array.from({ length: 64 }, () => budget.enterAttempt('known'))
    first?.()
    first?.()
    expect([budget.enterAttempt('known'), budget.enterAttempt('known')]).toEqual([expect.any(Function), undefined])
  })

  it('of strangers do not take the places of known peers', () => {
    for (let index = 0; index < 100; index++) budget.enterAttempt('stranger')
    expect(budget.enterAttempt('stranger')).toBeUndefined()
    expect(budget.enterAttempt('known')).toBeTypeOf('function')
  })
})

it('tells how much of each limit is used', () => {
  times(3, () => budget.takeStrangerOffer())
  budget.enterAttempt('known')
  expect(budget.use).toEqual({
    strangerOffersPerSecond: { used: 3, limit: 4 }, inboundAttempts: { used: 1, limit: 64 }, strangerAttempts: { used: 0, limit: 64 }, birthdayPunches: { used: 0, limit: 1 },
  })
  clock.advance(1_001)
  expect(budget.use.strangerOffersPerSecond.used).toBe(0)
})
