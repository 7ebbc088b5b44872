import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ThroughlineError } from '../errors/index.js'
import { optionTable, type OptionRow } from './options.js'
import { nearest } from './suggest.js'

/** Texts of one key of a configuration file, as the command line would give them. */
export interface ConfigEntry {
  readonly row: OptionRow
  readonly label: string
  readonly texts: readonly string[]
}

const fileNames = ['throughline.config.json', 'throughline.config.js']
const settable = optionTable.filter(row => row.env !== undefined && row.key !== 'config')

/** Reads `file`, or the configuration in `cwd` if there is one. Throws ERR_CONFIG that names file and key. */
export async function readConfigFile(file: string | undefined, cwd: string): Promise<readonly ConfigEntry[]> {
  const path = file === undefined ? findConfig(cwd) : resolve(cwd, file)
  if (path === undefined) return []
  const content = await load(path)
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw configError(path, 'holds no object of settings')
  return Object.entries(content).filter(([, value]) => value !== undefined).map(([key, value]) => entryOf(path, key, value))
}

function findConfig(cwd: string): string | undefined {
  const [path, second] = fileNames.map(name => join(cwd, name)).filter(existsSync)
  if (second !== undefined) throw configError(second, 'stands beside throughline.config.json; keep one of them')
  return path
}

async function load(path: string): Promise<unknown> {
  try {
    if (extname(path) === '.json') return JSON.parse(await readFile(path, 'utf8'))
    const module = (await import(pathToFileURL(path).href)) as { default?: unknown }
    return module.default
  } catch (error) {
    throw configError(path, `cannot be read: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

function entryOf(path: string, key: string, value: unknown): ConfigEntry {
  const row = settable.find(one => namesOf(one).includes(key))
  if (row === undefined) {
    const near = nearest(key, settable.map(one => one.key))
    throw configError(path, `has an unknown key "${key}"${near === undefined ? '' : `, the nearest is "${near}"`}`)
  }
  const label = `"${key}" in ${path}`
  const texts = textsOf(row, key, value)
  if (texts === undefined) throw new ThroughlineError('ERR_CONFIG', `${label}: the value is of the wrong kind`)
  // Paths in a file mean places beside it, wherever the command is started.
  return { row, label, texts: row.value === 'FILE' ? texts.map(text => resolve(dirname(path), text)) : texts }
}

/** `listenPort` and `listen-port`; `interfaces` as in createNode and `interface` as on the command line. */
function namesOf(row: OptionRow): readonly string[] {
  const kebab = row.flag.replace(/^--/, '')
  return [row.key, kebab, kebab.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())]
}

function textsOf(row: OptionRow, key: string, value: unknown): readonly string[] | undefined {
  if (Array.isArray(value)) {
    if (row.multiple !== true || !value.every(one => typeof one === 'string')) return undefined
    return value.length === 0 ? ['none'] : value
  }
  if (row.value === undefined) return typeof value === 'boolean' ? [String(key === 'portMapping' ? !value : value)] : undefined
  if (typeof value === 'number') return row.key === 'timeoutMs' ? [`${value}ms`] : row.value === 'N' ? [String(value)] : undefined
  return typeof value === 'string' ? [value] : undefined
}

const configError = (path: string, what: string, cause?: unknown): ThroughlineError => new ThroughlineError('ERR_CONFIG', `${path} ${what}`, { cause })
