import { median, pairedDifference, pairedRatio } from './statistics.js'

/** One line of the table. */
export interface Row {
  readonly what: string
  readonly value: number
  readonly unit: 'ms' | 'MB/s' | '1/s' | 'kB'
  /** What it is compared with, measured in the same rounds; undefined for the reference itself. */
  readonly reference?: string
  /** value / reference, the median over rounds. */
  readonly ratio?: number
  /** value - reference, the median over rounds. */
  readonly difference?: number
  /** Set where the project promises a figure. */
  readonly target?: { readonly text: string; readonly isMet: boolean }
  /** Each round's figure, in order. */
  readonly rounds: readonly number[]
}

/** What one measurement brought. */
export interface Measured {
  readonly name: string
  readonly rows: readonly Row[]
  /** Why it, or a part of it, was not measured here. */
  readonly skipped?: string
}

/** What a promised figure is checked against. */
export interface Target {
  readonly text: string
  readonly holds: (row: Pick<Row, 'ratio' | 'difference'>) => boolean
}

/** The line of a reference. */
export const referenceRow = (what: string, unit: Row['unit'], rounds: readonly number[]): Row => ({ what, unit, value: median(rounds), rounds })

/** The line of something compared with the rounds of a reference. */
export function comparedRow(what: string, rounds: readonly number[], { what: reference, unit, rounds: referenceRounds }: Row, target?: Target): Row {
  const ratio = pairedRatio(rounds, referenceRounds)
  const difference = pairedDifference(rounds, referenceRounds)
  return {
    what, unit, value: median(rounds), reference, ratio, difference, rounds,
    ...(target !== undefined && { target: { text: target.text, isMet: target.holds({ ratio, difference }) } }),
  }
}
