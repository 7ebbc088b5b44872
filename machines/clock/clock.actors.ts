import { fromCallback, fromPromise } from 'xstate'
import { defaults } from '../../src/config/defaults.js'
import { estimateClock } from '../../src/nat/clock-estimate.js'
import { compareReadings, type ClockReadings } from '../../src/nat/clock-watch.js'
import { readClocks } from '../../src/net/clock-readings.js'
import type { Clock } from '../../src/net/clock.js'
import { askTimeServer, type TimeServerRequest } from '../../src/net/sntp-client.js'
import type { SampleServersLogic, WatchClockLogic } from './clock.types.js'

/** What the actors of the clock machine need from their node. */
export interface ClockResources {
  readonly clock: Clock
  readonly randomBytes: TimeServerRequest['random']
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Default `askTimeServer`. */
  readonly ask?: typeof askTimeServer
  /** Default `readClocks` of `clock`. */
  readonly readings?: () => ClockReadings
}

/** Actors for `clockMachine.provide({ actors })`. */
export function createClockActors({ clock, randomBytes, random, ask = askTimeServer, readings = () => readClocks(clock) }: ClockResources) {
  const sampleServers: SampleServersLogic = fromPromise(async ({ input: { servers, serverCount }, signal }) => {
    const answers = await Promise.all(servers.map(server => ask({ server, clock, random: randomBytes, signal })))
    const samples = answers.flatMap(answer => (answer.ok ? [answer.sample] : []))
    return { answers, outcome: estimateClock(samples, serverCount, clock.now()), jitter: random() }
  })

  const watchClock: WatchClockLogic = fromCallback(({ sendBack }) => {
    const { watchEveryMs, retryMinMs } = defaults.clock
    let before = readings()
    const look = () => {
      const now = readings()
      const disturbance = compareReadings(before, now)
      if (disturbance !== undefined) {
        before = now
        sendBack(disturbance)
      }
      // a clock that somebody sets again and again must not make us ask the servers as often
      cancel = clock.after(disturbance?.type === 'clock.stepped' ? retryMinMs : watchEveryMs, look)
    }
    let cancel = clock.after(watchEveryMs, look)
    return () => cancel()
  })

  return { sampleServers, watchClock }
}
