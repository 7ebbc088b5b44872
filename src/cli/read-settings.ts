import { readConfigFile } from './config-file.js'
import type { CommandLine } from './command-line.js'
import { optionsOf } from './options.js'
import type { Settings } from './settings.js'
import { readers, type Source } from './values.js'

/** Where settings come from besides the command line. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/**
 * Settings of a command: command line over THROUGHLINE_* over configuration file; what none of them names is left to the
 * library. A list replaces a list. Every value given is checked, also one that is overruled.
 */
export async function readSettings(line: CommandLine, { env, cwd }: Surroundings): Promise<Settings> {
  const file: Record<string, unknown> = {}
  const variables: Record<string, unknown> = {}
  const flags: Record<string, unknown> = {}
  for (const row of optionsOf(line.command?.name ?? '')) {
    const text = row.env === undefined ? undefined : env[row.env]
    if (text !== undefined && text !== '') variables[row.key] = read(row.key, [text], { kind: 'env', label: `environment variable ${row.env}` })
  }
  for (const [key, { flag, texts }] of line.given) flags[key] = read(key, texts, { kind: 'flag', label: flag })
  const config = { ...variables, ...flags }['config'] as string | undefined
  for (const { row, label, texts } of await readConfigFile(config, cwd)) file[row.key] = read(row.key, texts, { kind: 'file', label })
  return { ...file, ...variables, ...flags }
}

function read(key: string, texts: readonly string[], source: Source): unknown {
  return readers[key as keyof typeof readers](texts, source)
}
