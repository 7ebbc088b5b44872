/** Time as the node sees it; injected so that tests can own it. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary moment. */
  now(): number
  /** Milliseconds of the Unix epoch; follows steps of the system clock only when the process starts. */
  wallNow(): number
  /** Calls back once after `delayMs`; returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void
}

/** Clock of this process. `THROUGHLINE_TEST_CLOCK_OFFSET_MS` (a number; anything else counts as 0) shifts its wall clock only. */
export function systemClock(): Clock {
  const offsetMs = Number(process.env['THROUGHLINE_TEST_CLOCK_OFFSET_MS'] ?? 0) || 0
  return {
    now: () => performance.now(),
    wallNow: () => performance.timeOrigin + performance.now() + offsetMs,
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs)
      return () => clearTimeout(timer)
    },
  }
}

/** Calls back now and then every `periodMs`, until what it returns is called. */
export function every(clock: Pick<Clock, 'after'>, periodMs: number, callback: () => void): () => void {
  let cancel = () => {}
  const run = () => {
    cancel = clock.after(periodMs, run)
    callback()
  }
  run()
  return () => cancel()
}
