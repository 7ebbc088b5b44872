import { openField, runJobs, type Job, type Measuring, type Trial } from './field.js'
import { kindOf, quickPartners, theoryOf } from './kinds.js'
import { waysOf } from './rows.js'
import { summarise, type Summary } from './summary.js'
import type { PairOutcome } from '../../src/nat/nat-compatibility.js'

/** What one pair of kinds came to. */
export interface Cell {
  readonly one: string
  readonly other: string
  readonly theory: PairOutcome
  readonly punch: Forms
  /** With all strategies. */
  readonly all: Forms
}

/** Without and with firstBytes. */
export interface Forms {
  readonly plain: Summary
  readonly early: Summary
}

export interface PairSettings extends Measuring {
  readonly kinds: readonly string[]
  readonly pairs: 'all' | 'quick'
  readonly onStart: (trials: number, startedMs: number) => void
}

/** A pair that cannot be joined by theory takes 10 s each time. */
const hopelessRuns = 1
/** Of these more may wait at once. */
const hopelessLanes = 4

/**
 * Dials between all pairs of kinds, a kind with itself included; roles alternate from run to run. Pairs theory calls
 * hopeless come last, with few runs and without firstBytes.
 */
export async function measurePairs(settings: PairSettings): Promise<readonly Cell[]> {
  const { kinds, pairs, strategies: punch, runs, seed, atOnce, onStart, onTrial } = settings
  const chosen = pairsOf(kinds).filter(([one, other]) => pairs === 'all' || one === other || quickPartners.includes(one) || quickPartners.includes(other))
  const isHopeless = ([one, other]: readonly [string, string]): boolean => theoryOf(one, other).needsRelay
  const modes = [punch, undefined]
  const forms = modes.flatMap(strategies => [false, true].map(early => ({ strategies, early })))
  const jobOf = ([one, other]: readonly [string, string], run: number, rest: Pick<Job, 'strategies' | 'early'>): Job => {
    const ways = waysOf(one, other)
    return { ...(ways[run % ways.length] as (typeof ways)[number]), ...rest }
  }
  const hopeful = Array.from({ length: runs }).flatMap((_, run) => forms.flatMap(form => chosen.filter(pair => !isHopeless(pair)).map(pair => jobOf(pair, run, form))))
  const hopeless = Array.from({ length: Math.min(runs, hopelessRuns) }).flatMap((_, run) => modes.flatMap(strategies => chosen.filter(isHopeless).map(pair => jobOf(pair, run, { strategies, early: false }))))
  const trials: Trial[] = []
  const note = (trial: Trial) => {
    trials.push(trial)
    onTrial(trial)
  }
  const field = await openField({ kinds: kinds.map(kindOf) }, settings)
  try {
    onStart(hopeful.length + hopeless.length, field.startedMs)
    await runJobs(field, hopeful, { atOnce, seed, onTrial: note })
    await runJobs(field, hopeless, { atOnce: hopelessLanes * atOnce, seed, onTrial: note })
  } finally {
    await field.close()
  }
  return chosen.map(pair => cellOf(pair, trials))
}

/** Unordered, in the order of the kinds. */
const pairsOf = (kinds: readonly string[]): readonly (readonly [string, string])[] => kinds.flatMap((one, index) => kinds.slice(index).map(other => [one, other] as const))

function cellOf([one, other]: readonly [string, string], trials: readonly Trial[]): Cell {
  const mine = trials.filter(({ from, to }) => (from === one && to === other) || (from === other && to === one))
  const forms = (isPunch: boolean): Forms => {
    const ofMode = mine.filter(({ strategies }) => (strategies !== undefined) === isPunch)
    return { plain: summarise(ofMode.filter(({ early }) => !early)), early: summarise(ofMode.filter(({ early }) => early)) }
  }
  return { one, other, theory: theoryOf(one, other), punch: forms(true), all: forms(false) }
}
