import type { Trial } from './field.js'

/** What some trials came to. Times in milliseconds, of those that succeeded; NaN where none did. */
export interface Summary {
  readonly runs: number
  readonly succeeded: number
  /** 0 to 1. */
  readonly share: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly maxMs: number
  /** Of those that failed: how long the slowest took. */
  readonly failedAfterMs: number
  /** Strategy and method, and how often; failures by their code. */
  readonly outcomes: Readonly<Record<string, number>>
}

/** A trial that takes longer than `withinMs` counts as failed. */
export function summarise(trials: readonly Trial[], withinMs = Number.POSITIVE_INFINITY): Summary {
  const isGood = ({ path, elapsedMs }: Trial): boolean => path !== undefined && elapsedMs <= withinMs
  const times = trials.filter(isGood).map(({ elapsedMs }) => elapsedMs)
  const failures = trials.filter(trial => !isGood(trial)).map(({ elapsedMs }) => elapsedMs)
  const outcomes: Record<string, number> = {}
  for (const trial of trials) outcomes[outcomeOf(trial)] = (outcomes[outcomeOf(trial)] ?? 0) + 1
  return {
    runs: trials.length, succeeded: times.length, share: times.length / trials.length, p50Ms: quantile(times, 0.5), p95Ms: quantile(times, 0.95),
    maxMs: quantile(times, 1), failedAfterMs: failures.length === 0 ? Number.NaN : Math.max(...failures), outcomes,
  }
}

/** The smallest value that so large a share of all does not exceed. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

const outcomeOf = ({ path, error }: Trial): string => (path === undefined ? (error?.code ?? 'none') : [path.strategy, path.method].filter(word => word !== undefined).join(' '))
