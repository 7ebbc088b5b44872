import type { Held } from '../../test/lab/punch-node.process.js'
import type { StageNode } from '../../test/lab/punch-stage.js'
import { openField, runJobs, type Field, type FieldOptions, type Job, type Measuring, type Trial } from './field.js'
import { kindOf, type Kind } from './kinds.js'
import { scenarios, type Bounds, type Scenario } from './scenarios.js'
import { summarise, type Summary } from './summary.js'

/** One line of the table of "Done when". */
export interface Row {
  readonly name: string
  readonly about: string
  readonly pairs: string
  readonly plain: Summary
  readonly early: Summary
  readonly checks: readonly Check[]
  readonly notes: readonly string[]
}

/** Something that was wanted, and how it came out. */
export interface Check {
  readonly wanted: string
  readonly found: string
  readonly isMet: boolean
}

type RowRunner = (measuring: Measuring) => Promise<Row>

/** All rows, by name. */
export const rowRunners: ReadonlyMap<string, RowRunner> = new Map<string, RowRunner>([
  ...scenarios.map(scenario => [scenario.name, (measuring: Measuring) => runScenario(scenario, measuring)] as const),
  ['at-once', runAtOnce],
  ['in-a-row', runInARow],
])

const counts = { burst: 50, inARow: 100, warmUp: 20 } as const
/** Closed sessions are remembered for a minute. */
const forgottenMs = 75_000
/** Letters and offers are remembered up to a bound, 2 to 3 kB a dial until then; a machine of an attempt that is not let go has more. */
const leakBytesPerDial = 4_096

async function runScenario({ name, about, pairs, times, field: differs, bounds }: Scenario, measuring: Measuring): Promise<Row> {
  const { runs, strategies, atOnce } = measuring
  const trials: Trial[] = []
  const count = Math.max(1, Math.round(times * runs))
  const jobs = Array.from({ length: count }).flatMap(() => pairs.flatMap(([one, other]) => waysOf(one.name, other.name).flatMap(way => [false, true].map((early): Job => ({ ...way, strategies, early })))))
  await withField({ kinds: distinct(pairs.flat()), ...differs }, measuring, async field => {
    // who waits for the end of an attempt takes no time of the processor's
    const lanes = bounds.failsWithinMs === undefined ? atOnce : 3 * atOnce
    const onTrial = (trial: Trial) => {
      trials.push(trial)
      measuring.onTrial(trial)
    }
    await runJobs(field, jobs, { ...measuring, atOnce: lanes, onTrial })
  })
  const texts = [...new Set(trials.flatMap(({ verdict }) => (verdict === undefined ? [] : [`${verdict.code}: ${verdict.text} ${verdict.advice}`])))]
  return rowOf({ name, about, pairs: pairs.map(([one, other]) => `${one.name} x ${other.name}`).join(', '), trials, bounds, notes: texts.slice(0, 5) })
}

/** Both ways round; a kind with itself has one. */
export const waysOf = (one: string, other: string): readonly Pick<Job, 'from' | 'to'>[] => (one === other ? [{ from: one, to: one }] : [{ from: one, to: other }, { from: other, to: one }])

const distinct = (kinds: readonly Kind[]): readonly Kind[] => [...new Map(kinds.map(kind => [kind.name, kind])).values()]

async function withField(options: FieldOptions, measuring: Measuring, work: (field: Field) => Promise<void>): Promise<void> {
  const field = await openField(options, measuring)
  try {
    await work(field)
  } finally {
    await field.close()
  }
}

function rowOf({ trials, bounds, ...row }: Pick<Row, 'name' | 'about' | 'pairs' | 'notes'> & { readonly trials: readonly Trial[]; readonly bounds: Bounds }): Row {
  const [plain, early] = [false, true].map(form => summarise(trials.filter(trial => trial.early === form), bounds.withinMs)) as [Summary, Summary]
  return { ...row, plain, early, checks: checksOf(bounds, summarise(trials, bounds.withinMs), plain, early, trials) }
}

function checksOf(bounds: Bounds, all: Summary, plain: Summary, early: Summary, trials: readonly Trial[]): readonly Check[] {
  const { share, withinMs, failsWithinMs, verdict } = bounds
  const atMost = (what: string, foundMs: number, limitMs: number | undefined): readonly Check[] => (limitMs === undefined ? [] : [{ wanted: `${what} <= ${limitMs} ms`, found: `${foundMs.toFixed(0)} ms`, isMet: foundMs <= limitMs }])
  const isRight = (trial: Trial): boolean => verdict?.test(`${trial.verdict?.text} ${trial.verdict?.advice}`) === true
  return [
    ...(share === undefined ? [] : [{ wanted: `>= ${percent(share)}${withinMs === undefined ? '' : ` within ${withinMs / 1_000} s`}`, found: `${all.succeeded} of ${all.runs}`, isMet: all.share >= share }]),
    ...atMost('p50', plain.p50Ms, bounds.p50Ms), ...atMost('p50 firstBytes', early.p50Ms, bounds.earlyP50Ms),
    ...atMost('p95', plain.p95Ms, bounds.p95Ms), ...atMost('p95 firstBytes', early.p95Ms, bounds.earlyP95Ms),
    ...(failsWithinMs === undefined ? [] : [{ wanted: `none, told in ${failsWithinMs / 1_000} s`, found: `${all.succeeded} of ${all.runs}, ${(all.failedAfterMs / 1_000).toFixed(1)} s`, isMet: all.succeeded === 0 && all.failedAfterMs <= failsWithinMs }]),
    ...(verdict === undefined ? [] : [{ wanted: 'the verdict says why', found: `${trials.filter(isRight).length} of ${trials.length}`, isMet: trials.every(isRight) }]),
  ]
}

export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`

/** 50 at once between two nodes, some pairs, with firstBytes and without. */
async function runAtOnce(measuring: Measuring): Promise<Row> {
  const pairs = [['masquerade', 'masquerade'], ['port-restricted', 'masquerade-rst']] as const
  const trials: Trial[] = []
  await withField({ kinds: ['masquerade', 'port-restricted', 'masquerade-rst'].map(kindOf) }, measuring, async field => {
    for (const [from, to] of pairs) {
      for (const early of [false, true]) trials.push(...(await field.dialMany({ from, to, strategies: measuring.strategies, early }, counts.burst)))
    }
  })
  trials.forEach(measuring.onTrial)
  return rowOf({ name: 'at-once', about: `${counts.burst} at once between two nodes`, pairs: pairs.map(pair => pair.join(' x ')).join(', '), trials, bounds: { share: 1 }, notes: [] })
}

/** 1,000 in a row at 10 runs; what both processes hold is compared. */
async function runInARow(measuring: Measuring): Promise<Row> {
  const kind = kindOf('masquerade')
  const trials: Trial[] = []
  const leaks: Check[] = []
  await withField({ kinds: [kind] }, measuring, async field => {
    const nodes = [field.dialler(kind.name), field.listener(kind.name)]
    const dial = async (count: number, onTrial: (trial: Trial) => void) => {
      const jobs = Array.from({ length: count }, (_, run): Job => ({ from: kind.name, to: kind.name, strategies: measuring.strategies, early: run % 2 === 1 }))
      await runJobs(field, jobs, { ...measuring, atOnce: 1, onTrial })
    }
    await dial(measuring.runs * counts.warmUp, () => {})
    const before = await heldByAll(nodes)
    await dial(measuring.runs * counts.inARow, trial => {
      trials.push(trial)
      measuring.onTrial(trial)
    })
    const after = await heldByAll(nodes)
    for (const [index, side] of ['the dialler', 'the listener'].entries()) leaks.push(...leaksOf(side, before[index] as Held, after[index] as Held, trials.length))
  })
  const row = rowOf({ name: 'in-a-row', about: `${trials.length} in a row, and what both processes hold then`, pairs: `${kind.name} x ${kind.name}`, trials, bounds: { share: 0.995 }, notes: [] })
  return { ...row, checks: [...row.checks, ...leaks] }
}

async function heldByAll(nodes: readonly StageNode[]): Promise<readonly Held[]> {
  await new Promise(resolve => setTimeout(resolve, forgottenMs))
  return Promise.all(nodes.map(node => node.held()))
}

function leaksOf(side: string, before: Held, after: Held, dials: number): readonly Check[] {
  const grown = after.heapBytes - before.heapBytes
  const same = (what: 'sockets' | 'descriptors' | 'timers'): Check => ({ wanted: `${side} holds no more ${what}`, found: `${before[what]}, then ${after[what]}`, isMet: after[what] <= before[what] })
  return [same('sockets'), same('descriptors'), same('timers'), { wanted: `${side}'s heap grows by less than ${leakBytesPerDial} bytes a dial`, found: `${(grown / dials).toFixed(0)} bytes`, isMet: grown / dials < leakBytesPerDial }]
}
