import { parseArgs } from 'node:util'

/** What every fuzzer is told (`--runs N --seed N`), and chance that follows from the seed alone. */
export function fuzzArguments() {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } } })
  const seed = Number(values.seed)
  let state = seed >>> 0
  /** Mulberry32: small, seeded, good enough to choose mutations. */
  const random = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
  return { runs: Number(values.runs), seed, random }
}
