import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import type { Measuring, Trial } from './field.js'
import { kindOf, matrixKindNames } from './kinds.js'
import { measurePairs, type Cell } from './pairs.js'
import { pairsPart, rowsPart, withParts, type Provenance } from './report.js'
import { rowRunners, type Row } from './rows.js'
import { describeTold, describeTrial } from './tell.js'

const help = `npm run bench:matrix -- [OPTION]…
Measures what was built (npm run bench:matrix builds first), in the lab.
  --runs N          4: per pair, with and without firstBytes, by punch and by all strategies; scenarios take a multiple
  --only PART       pairs or scenarios; default both
  --scenario NAME   these rows alone (repeatable): ${[...rowRunners.keys()].join(', ')}
  --kinds a,b,…     of the pairs; default ${matrixKindNames.length} of test/support/lab/kinds.ts
  --pairs all|quick quick: each kind with itself and with five telling ones
  --strategies a,b  default punch; pairs are tried with all besides
  --at-once N       2: dials at once; with more they slow each other down on 2 cores
  --seed S          drawn and printed by default
  --out FILE        docs/nat-matrix.md; parts that were not measured stay. With --scenario nothing is written unless this is given
  --json FILE       every trial
  --source          what is in src/ now instead of dist/
  --verbose         what both sides did in each trial that failed (watching costs some time)`

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '4' }, only: { type: 'string' }, scenario: { type: 'string', multiple: true }, kinds: { type: 'string' }, pairs: { type: 'string', default: 'all' },
    strategies: { type: 'string', default: 'punch' }, 'at-once': { type: 'string', default: '2' }, seed: { type: 'string' }, out: { type: 'string' }, json: { type: 'string' },
    source: { type: 'boolean', default: false }, verbose: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false },
  },
})

const wholeNumber = (name: string, text: string): number => {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} wants a whole number above 0, not ${text}`)
  return number
}

const say = (text: string): void => void process.stderr.write(`${text}\n`)
const trials: Trial[] = []

function note(trial: Trial): void {
  trials.push(trial)
  if (trial.path !== undefined) return
  if (values.verbose) say(describeTrial(trial))
  if (values.verbose && trial.told !== undefined) say(describeTold(trial.told))
}

async function main(): Promise<void> {
  const [runs, atOnce] = [wholeNumber('runs', values.runs), wholeNumber('at-once', values['at-once'])]
  const seed = values.seed === undefined ? randomInt(2 ** 31) : wholeNumber('seed', values.seed)
  const names = values.scenario ?? (values.only === 'pairs' ? [] : [...rowRunners.keys()])
  const unknown = names.find(name => !rowRunners.has(name))
  if (unknown !== undefined) throw new Error(`no scenario ${unknown}; there are ${[...rowRunners.keys()].join(', ')}`)
  if (values.pairs !== 'all' && values.pairs !== 'quick') throw new Error(`--pairs is all or quick, not ${values.pairs}`)
  const kinds = (values.kinds?.split(',') ?? matrixKindNames).map(name => kindOf(name).name)
  const command = `npm run bench:matrix -- ${process.argv.slice(2).join(' ')}`.trim()
  const how: Provenance = { at: new Date().toISOString().slice(0, 16), node: process.version, cpus: cpus().length, runs, seed, atOnce, command }
  const measuring: Measuring = { runs, seed, atOnce, strategies: values.strategies.split(','), isWatched: values.verbose, isSource: values.source, onTrial: note }
  say(`seed ${seed}`)

  const rows: Row[] = []
  for (const name of names) rows.push(await measureRow(name, measuring))
  const hasPairs = values.scenario === undefined && values.only !== 'scenarios'
  const cells = hasPairs ? await measureAllPairs(kinds, values.pairs, measuring) : []
  if (values.json !== undefined) {
    await mkdir(dirname(values.json), { recursive: true })
    await writeFile(values.json, `${JSON.stringify({ ...how, rows, cells, trials }, undefined, 1)}\n`)
  }
  const out = values.out ?? (values.scenario === undefined ? 'docs/nat-matrix.md' : undefined)
  const parts = { ...(rows.length > 0 && { rows: rowsPart(rows, how) }), ...(hasPairs && { pairs: pairsPart(cells, kinds, how) }) }
  if (out === undefined) return void process.stdout.write(`${rowsPart(rows, how)}\n`)
  await writeFile(out, withParts(existsSync(out) ? await readFile(out, 'utf8') : '', parts))
  say(`written to ${out}`)
}

async function measureRow(name: string, measuring: Measuring): Promise<Row> {
  const startedAtMs = performance.now()
  const row = await rowRunners.get(name)!(measuring)
  const { plain, early, checks } = row
  say(`${name}: ${plain.succeeded + early.succeeded} of ${plain.runs + early.runs}, p50 ${plain.p50Ms.toFixed(0)} and ${early.p50Ms.toFixed(0)} ms, ${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s`)
  for (const { wanted, found, isMet } of checks) say(`  ${isMet ? 'met    ' : 'NOT MET'} ${wanted}: ${found}`)
  return row
}

async function measureAllPairs(kinds: readonly string[], pairs: 'all' | 'quick', measuring: Measuring): Promise<readonly Cell[]> {
  const startedAtMs = performance.now()
  let [total, done] = [0, 0]
  return measurePairs({
    kinds, pairs, ...measuring,
    onStart(count, startedMs) {
      total = count
      say(`${kinds.length * 2} nodes warm after ${(startedMs / 1_000).toFixed(0)} s; ${count} dials`)
    },
    onTrial(trial) {
      note(trial)
      done += 1
      if (done % 100 === 0) say(`${done} of ${total} dials, ${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s`)
    },
  })
}

if (values.help) process.stdout.write(`${help}\n`)
else {
  try {
    await main()
  } catch (error) {
    say(`bench:matrix: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
