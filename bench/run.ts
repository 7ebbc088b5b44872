import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { firstByte } from './measurements/first-byte.js'
import { importTime } from './measurements/import-time.js'
import { memory } from './measurements/memory.js'
import { opening } from './measurements/opening.js'
import { relay } from './measurements/relay.js'
import { start } from './measurements/start.js'
import { throughput } from './measurements/throughput.js'
import { requireBuild } from './support/library.js'
import type { Measured } from './support/result.js'
import type { Measurement, Settings } from './support/settings.js'
import { formatTable } from './support/table.js'

const measurements: readonly Measurement[] = [firstByte, throughput, opening, memory, start, importTime, relay]
const resultsFolder = fileURLToPath(new URL('./results/', import.meta.url))

const help = `npm run bench -- [--only NAME]… [--runs N] [--quick] [--json] [--profile]
${measurements.map(({ name, about }) => `  ${name.padEnd(11)} ${about}`).join('\n')}
  --runs N    rounds (10); some measurements take a multiple or a fraction
  --quick     few rounds, small sizes: to see that it works
  --json      the figures on stdout instead of the table
  --profile   CPU profiles of both sides in bench/results/profile (slows what it measures)`

interface Arguments {
  readonly chosen: readonly Measurement[]
  readonly settings: Settings
  readonly isJson: boolean
}

function readArguments(): Arguments | undefined {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true }, runs: { type: 'string' }, quick: { type: 'boolean' }, json: { type: 'boolean' }, profile: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) return undefined
  const isQuick = values.quick === true
  const runs = Number(values.runs ?? (isQuick ? 3 : 10))
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs wants a whole number above 0, not ${values.runs}`)
  const unknown = values.only?.find(name => measurements.every(measurement => measurement.name !== name))
  if (unknown !== undefined) throw new Error(`no measurement ${unknown}; there are ${measurements.map(({ name }) => name).join(', ')}`)
  return {
    chosen: measurements.filter(({ name }) => values.only?.includes(name) ?? true),
    settings: { runs, isQuick, profileFolder: values.profile === true ? `${resultsFolder}profile` : undefined },
    isJson: values.json === true,
  }
}

async function main({ chosen, settings, isJson }: Arguments): Promise<void> {
  requireBuild()
  const results: Measured[] = []
  for (const measurement of chosen) {
    const measured = await measurement.run(settings)
    results.push(...measured)
    if (!isJson) process.stdout.write(`${formatTable(measured)}\n\n`)
  }
  const record = { at: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model, cpus: cpus().length, settings, results }
  await mkdir(resultsFolder, { recursive: true })
  const file = `${resultsFolder}${record.at.replaceAll(':', '-')}.json`
  await writeFile(file, `${JSON.stringify(record, undefined, 2)}\n`)
  process.stdout.write(isJson ? `${JSON.stringify(record)}\n` : `written to ${file}\n`)
}

try {
  const given = readArguments()
  if (given === undefined) process.stdout.write(`${help}\n`)
  else await main(given)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
