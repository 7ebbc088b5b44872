import { describe, expect, it } from 'vitest'
import { servingClock } from '../../../../src/cli/infra/serving-clock.js'
import type { Clock } from '../../../../src/net/clock.js'

/** A node's clock that is 7 ms off the system's, and a system clock that a test sets. */
function clocks() {
  const at = { monotonicMs: 0, systemMs: 1_000_000 }
  const node: Clock = { now: () => at.monotonicMs, wallNow: () => 1_000_007 + at.monotonicMs, after: () => () => {} }
  return { at, serving: servingClock(node, () => at.systemMs + at.monotonicMs) }
}

describe('the clock of the time server', () => {
  it('is that of the node while nobody sets the clock of the system', () => {
    const { at, serving } = clocks()
    at.monotonicMs = 5_000
    expect(serving.wallNow()).toBe(1_005_007)
  })

  it('follows when the clock of the system is set, and set back', () => {
    const { at, serving } = clocks()
    at.systemMs += 3_600_000
    expect(serving.wallNow()).toBe(4_600_007)
    at.systemMs -= 3_600_000
    expect(serving.wallNow()).toBe(1_000_007)
  })

  it('takes no pause between two readings for a step', () => {
    const { at, serving } = clocks()
    at.systemMs += 49
    expect(serving.wallNow()).toBe(1_000_007)
  })
})
