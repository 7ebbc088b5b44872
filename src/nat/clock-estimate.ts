import { defaults } from '../config/defaults.js'
import type { Failure } from '../errors/index.js'
import type { TimeReading } from './clock-reply.js'

/** What one time server said. */
export interface TimeSample extends TimeReading {
  /** As it was named: `HOST` or `HOST:PORT`. */
  readonly server: string
  /** When it was taken, by the monotonic clock. */
  readonly atMs: number
}

/** An offset between two clocks, and a bound for its error. */
export interface ClockOffset {
  readonly offsetMs: number
  readonly uncertaintyMs: number
}

/**
 * True time as this node knows it: its wall clock (`Clock.wallNow`) plus `offsetMs`, right within `uncertaintyMs` at the
 * moment `atMs` of the monotonic clock; see `clockOffsetAt` for later ones.
 */
export interface ClockEstimate extends ClockOffset {
  readonly atMs: number
  /** The servers that agree on it, separated by commas. */
  readonly source: string
}

export type EstimateOutcome = { readonly ok: true; readonly estimate: ClockEstimate } | { readonly ok: false; readonly failure: Failure }

/**
 * The offset on which a majority of the servers agrees, by intersection of intervals (Marzullo; RFC 5905 section
 * 11.2.1): a server says that true time lies within half the delay and its root distance of its offset, and drift since
 * then widens that. The result spans every point that a majority of those who answered covers, so it holds true time as long
 * as a majority is right, whatever the others say. Two must agree, unless only one was asked: then its word is taken.
 * One sample per server; `asked` counts the servers, silent ones included.
 */
export function estimateClock(samples: readonly TimeSample[], asked: number, nowMs: number): EstimateOutcome {
  const needed = Math.max(Math.floor(samples.length / 2) + 1, Math.min(asked, 2))
  const intervals = samples.map(sample => intervalOf(sample, nowMs))
  const common = coveredBy(needed, intervals)
  if (common === undefined) return { ok: false, failure: { code: 'ERR_CLOCK_UNSYNCHRONISED', message: whyNot(samples, asked) } }
  const agreed = samples.filter((_, index) => overlap(intervals[index]!, common) !== undefined)
  return { ok: true, estimate: { ...toOffset(common), atMs: nowMs, source: agreed.map(({ server }) => server).join(', ') } }
}

/** The offset at a moment of the monotonic clock; its uncertainty grows by the drift since the estimate was made. */
export const clockOffsetAt = ({ offsetMs, uncertaintyMs, atMs }: ClockEstimate, nowMs: number): ClockOffset =>
  ({ offsetMs, uncertaintyMs: uncertaintyMs + driftMs(nowMs - atMs) })

/** What a clock may gain or lose unnoticed in a time. */
export const driftMs = (elapsedMs: number): number => (Math.max(elapsedMs, 0) * defaults.clock.driftPpm) / 1_000_000

/** A closed interval of offsets. */
export interface Interval {
  readonly lowMs: number
  readonly highMs: number
}

/** Its middle, and how far its ends are. */
export const toOffset = ({ lowMs, highMs }: Interval): ClockOffset => ({ offsetMs: (lowMs + highMs) / 2, uncertaintyMs: (highMs - lowMs) / 2 })

export const toInterval = ({ offsetMs, uncertaintyMs }: ClockOffset): Interval => ({ lowMs: offsetMs - uncertaintyMs, highMs: offsetMs + uncertaintyMs })

/** What two intervals share; undefined when they are apart. */
export function overlap(one: Interval, other: Interval): Interval | undefined {
  const lowMs = Math.max(one.lowMs, other.lowMs)
  const highMs = Math.min(one.highMs, other.highMs)
  return lowMs <= highMs ? { lowMs, highMs } : undefined
}

const intervalOf = ({ offsetMs, delayMs, rootDistanceMs, atMs }: TimeSample, nowMs: number): Interval =>
  toInterval({ offsetMs, uncertaintyMs: delayMs / 2 + rootDistanceMs + driftMs(nowMs - atMs) })

/** From the lowest to the highest point that at least so many intervals cover; undefined when there is none. */
function coveredBy(count: number, intervals: readonly Interval[]): Interval | undefined {
  const covers = (pointMs: number): boolean => intervals.filter(({ lowMs, highMs }) => lowMs <= pointMs && pointMs <= highMs).length >= count
  const lows = intervals.map(({ lowMs }) => lowMs).filter(covers)
  const highs = intervals.map(({ highMs }) => highMs).filter(covers)
  return lows.length === 0 ? undefined : { lowMs: Math.min(...lows), highMs: Math.max(...highs) }
}

function whyNot(samples: readonly TimeSample[], asked: number): string {
  const said = samples.map(({ server, offsetMs }) => `${server} says ${offsetMs < 0 ? '' : '+'}${offsetMs.toFixed(1)} ms`).join(', ')
  if (samples.length === 0) return asked === 0 ? 'there is no time server to ask' : `none of ${asked} time servers gave a time`
  return samples.length === 1 ? `only one of ${asked} time servers gave a time, and nobody confirms it: ${said}` : `no majority of the time servers agrees: ${said}`
}
