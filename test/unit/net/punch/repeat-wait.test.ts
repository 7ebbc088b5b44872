import { describe, expect, it } from 'vitest'
import { repeatWaitMs, type Refusals } from '../../../../src/net/punch/repeat-wait.js'

/** The shortest and the longest wait that chance may make of it. */
const between = (refusals: Refusals): readonly number[] => [repeatWaitMs(refusals, () => 0), repeatWaitMs(refusals, () => 0.999_999)]

describe('the wait of a refused port', () => {
  it('is none the first time', () => {
    expect(between({ count: 1, sinceMs: 0, ports: 1 })).toEqual([0, 0])
  })

  it('is a millisecond or none from then on', () => {
    expect(between({ count: 2, sinceMs: 40, ports: 1 })).toEqual([0, 1])
  })

  it('stays short where round trips keep the pace', () => {
    expect(between({ count: 50, sinceMs: 1_900, ports: 1 })).toEqual([0, 1])
  })

  it('keeps 500 SYNs a second together, in the mean', () => {
    for (const ports of [1, 16, 256]) expect(between({ count: 1_000, sinceMs: 1_000, ports })).toEqual([0, 4 * ports - 1])
  })

  it('does not look at the pace for the first 50', () => {
    expect(between({ count: 50, sinceMs: 0, ports: 50 })).toEqual([0, 1])
    expect(between({ count: 51, sinceMs: 0, ports: 50 })).toEqual([0, 199])
  })

  it('grows when refusals go on for more than two seconds, up to half a second', () => {
    expect([2_000, 3_000, 4_000, 60_000].map(sinceMs => between({ count: 10, sinceMs, ports: 1 })[1])).toEqual([1, 249, 499, 499])
  })
})
