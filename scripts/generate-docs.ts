// Writes the generated pages of docs/, or with --check fails and names those that are stale.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AnyStateMachine } from 'xstate'
import { cliPage } from './docs/cli.js'
import { defaultsPage } from './docs/defaults.js'
import { errorsPage } from './docs/errors.js'
import { machineFaults, machinePage, machinesIndex } from './docs/machine-page.js'
import { kebab } from './docs/markdown.js'

const root = new URL('../', import.meta.url)
const check = process.argv.includes('--check')
const problems: string[] = []

/** The machines by name; undefined while machines/index.ts does not exist. */
async function loadMachines(): Promise<Readonly<Record<string, AnyStateMachine>> | undefined> {
  const url = new URL('machines/index.ts', root)
  if (!existsSync(url)) return undefined
  const { machines } = (await import(url.href)) as { machines?: Readonly<Record<string, AnyStateMachine>> }
  if (machines === undefined) problems.push('machines/index.ts exports no `machines`')
  return machines
}

function put(path: string, text: string): void {
  const url = new URL(path, root)
  const old = existsSync(url) ? readFileSync(url, 'utf8') : undefined
  if (old === text) return
  if (check) {
    problems.push(`${path} is ${old === undefined ? 'missing' : 'stale'}`)
    return
  }
  mkdirSync(new URL('./', url), { recursive: true })
  writeFileSync(url, text)
}

/** Pages of machines that are no more. */
function dropOthers(folder: string, keep: ReadonlySet<string>): void {
  const url = new URL(folder, root)
  if (!existsSync(url)) return
  for (const name of readdirSync(url)) {
    if (keep.has(name)) continue
    if (check) problems.push(`${folder}${name} belongs to no machine`)
    else rmSync(fileURLToPath(new URL(name, url)))
  }
}

put('docs/errors.md', errorsPage(root))
put('docs/defaults.md', defaultsPage(root))
put('docs/cli.md', cliPage())

const machines = await loadMachines()
if (machines !== undefined) {
  put('docs/machines/README.md', machinesIndex(machines))
  for (const [name, machine] of Object.entries(machines)) {
    put(`docs/machines/${kebab(name)}.md`, machinePage(name, machine))
    problems.push(...machineFaults(name, machine))
  }
  dropOthers('docs/machines/', new Set(['README.md', ...Object.keys(machines).map(name => `${kebab(name)}.md`)]))
}

if (problems.length > 0) {
  console.error(problems.map(problem => `docs: ${problem}`).join('\n'))
  if (check) console.error('Run `npm run docs` and commit what it writes.')
  process.exitCode = 1
}
