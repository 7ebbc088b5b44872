/** The middle value; the mean of the two middle ones. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** Median over rounds of subject / reference: both were measured within moments of each other, so a busy machine slows both. */
export function pairedRatio(subject: readonly number[], reference: readonly number[]): number {
  return median(subject.map((value, round) => value / (reference[round] ?? Number.NaN)))
}

/** Median over rounds of subject - reference. */
export function pairedDifference(subject: readonly number[], reference: readonly number[]): number {
  return median(subject.map((value, round) => value - (reference[round] ?? Number.NaN)))
}
