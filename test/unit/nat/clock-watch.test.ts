import { describe, expect, it } from 'vitest'
import { compareReadings, type ClockReadings } from '../../../src/nat/clock-watch.js'

const before: ClockReadings = { monotonicMs: 5_000, systemMs: 1_795_000_000_000, uptimeMs: 900_000 }
/** After `passedMs` of our clock. */
const later = (passedMs: number, { steppedMs = 0, sleptMs = 0 } = {}): ClockReadings => ({
  monotonicMs: before.monotonicMs + passedMs,
  systemMs: before.systemMs + passedMs + steppedMs + sleptMs,
  uptimeMs: before.uptimeMs + passedMs + sleptMs,
})

describe('the clocks of the system', () => {
  it('are in order when all move alike', () => {
    expect(compareReadings(before, later(3_600_000))).toBeUndefined()
  })

  it.each([3_600_000, -3_600_000, 60, -60])('were stepped when only the wall clock is %i ms elsewhere', byMs => {
    expect(compareReadings(before, later(2_000, { steppedMs: byMs }))).toEqual({ type: 'clock.stepped', byMs })
  })

  it('stood still when the uptime counted more than we', () => {
    expect(compareReadings(before, later(2_000, { sleptMs: 30_000 }))).toEqual({ type: 'clock.stoodStill', forMs: 30_000 })
  })

  it('stood still also when somebody set the wall clock right afterwards', () => {
    expect(compareReadings(before, later(2_000, { sleptMs: 30_000, steppedMs: -30_000 }))).toEqual({ type: 'clock.stoodStill', forMs: 30_000 })
  })

  it('may be read a moment apart, and tell their uptime in whole seconds', () => {
    expect(compareReadings(before, later(2_000, { steppedMs: 20 }))).toBeUndefined()
    expect(compareReadings(before, { ...later(2_000), uptimeMs: before.uptimeMs + 2_999 })).toBeUndefined()
  })
})
