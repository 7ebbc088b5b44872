import { uptime } from 'node:os'
import type { ClockReadings } from '../nat/clock-watch.js'
import type { Clock } from './clock.js'

/** Reads the clocks of this system at one moment; `uptimeMs` has steps of 10 ms on Linux, of 1 s elsewhere. */
export const readClocks = (clock: Clock): ClockReadings => ({ monotonicMs: clock.now(), systemMs: Date.now(), uptimeMs: uptime() * 1_000 })
