import { defaults } from '../config/defaults.js'

/** What the clocks of the system say at one moment, in ms. */
export interface ClockReadings {
  /** Ours: follows no step, and on Linux stands still while the system is suspended. */
  readonly monotonicMs: number
  /** The system's wall clock: people and daemons set it. */
  readonly systemMs: number
  /** Time since the system started, suspension included. */
  readonly uptimeMs: number
}

/** Something happened to a clock. */
export type ClockDisturbance =
  /** The system's wall clock was set; positive = forward. Our idea of true time does not depend on it. */
  | { readonly type: 'clock.stepped'; readonly byMs: number }
  /** Time passed that our clock did not count: what was known of true time is off by it. */
  | { readonly type: 'clock.stoodStill'; readonly forMs: number }

/** Compares readings with those after the last disturbance; slewing moves all three clocks alike and is not seen. */
export function compareReadings(before: ClockReadings, now: ClockReadings): ClockDisturbance | undefined {
  const elapsedMs = now.monotonicMs - before.monotonicMs
  const missedMs = now.uptimeMs - before.uptimeMs - elapsedMs
  if (missedMs >= defaults.clock.minStandstillMs) return { type: 'clock.stoodStill', forMs: missedMs }
  const byMs = now.systemMs - before.systemMs - elapsedMs
  return Math.abs(byMs) >= defaults.clock.minStepMs ? { type: 'clock.stepped', byMs } : undefined
}
