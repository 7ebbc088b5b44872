import { defaults } from '../../config/defaults.js'
import { systemClock, type Clock } from '../../net/clock.js'

/**
 * A clock for a time server. That of a node keeps to what was set when its process started; this one follows when the
 * system's clock is set later, by `defaults.clock.minStepMs` or more: what is less is how long two readings may be apart.
 */
export function servingClock(clock: Clock = systemClock(), systemNow: () => number = Date.now): Clock {
  const ahead = () => systemNow() - clock.wallNow()
  const aheadAtStartMs = ahead()
  let steppedMs = 0
  return {
    ...clock,
    wallNow() {
      const nowMs = ahead() - aheadAtStartMs
      if (Math.abs(nowMs - steppedMs) >= defaults.clock.minStepMs) steppedMs = nowMs
      return clock.wallNow() + steppedMs
    },
  }
}
