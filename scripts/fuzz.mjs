// npm run fuzz [-- --runs N --seed N]: every test/fuzz/*.fuzz.ts, one after the other. Without --seed each run has a new one; it is printed.
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '100000' }, seed: { type: 'string', default: String(randomInt(2 ** 31)) } } })
const failed = []
for (const name of readdirSync('test/fuzz').filter(name => name.endsWith('.fuzz.ts')).sort()) {
  const args = [`test/fuzz/${name}`, '--runs', values.runs, '--seed', values.seed]
  console.log(`fuzz: npx tsx ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', ...args], { stdio: 'inherit' })
  if (status !== 0) failed.push(name)
}
if (failed.length > 0) {
  console.error(`fuzz: failed: ${failed.join(', ')}; repeat with --seed ${values.seed}`)
  process.exitCode = 1
}
