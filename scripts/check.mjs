// npm run check [-- STEP…]: what must hold before a commit. Says one line when all is well, and which step failed otherwise.
import { spawn } from 'node:child_process'

const lanes = 2
/** Independent of each other; the slow ones first. */
const steps = {
  package: ['npm run --silent build', 'publint --strict --pack npm', 'attw --pack . --profile esm-only --quiet --no-emoji --no-color'],
  lint: ['eslint . --max-warnings 0'],
  types: ['tsc --noEmit'],
  layers: ['depcruise src machines --config .dependency-cruiser.cjs --output-type err'],
  exports: ['knip --no-progress --no-config-hints'],
  docs: ['tsx scripts/generate-docs.ts --check'],
}

// npm pack, which publint and attw call, must not build again
const env = { ...process.env, PATH: `node_modules/.bin${process.platform === 'win32' ? ';' : ':'}${process.env.PATH}`, npm_config_ignore_scripts: 'true', NO_COLOR: '1' }
delete env.FORCE_COLOR

/** Runs one command line; resolves to its exit code and what it printed. */
const run = command =>
  new Promise(resolve => {
    const child = spawn(command, { shell: true, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
    child.on('error', error => resolve({ code: 1, output: String(error) }))
    child.on('close', code => resolve({ code: code ?? 1, output }))
  })

const failed = []

async function take(name) {
  for (const command of steps[name]) {
    const { code, output } = await run(command)
    if (code === 0) continue
    failed.push(name)
    console.error(`--- ${name} failed: ${command}\n${output.trim()}\n`)
    return
  }
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !(name in steps))
if (unknown.length > 0) {
  console.error(`check: no step ${unknown.join(', ')}; there are ${Object.keys(steps).join(', ')}`)
  process.exit(2)
}

const started = performance.now()
const queue = wanted.length > 0 ? [...wanted] : Object.keys(steps)
const total = queue.length
const lane = async () => {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) await take(name)
}
await Promise.all(Array.from({ length: lanes }, lane))

const took = `${((performance.now() - started) / 1_000).toFixed(0)} s`
if (failed.length > 0) {
  console.error(`check: ${failed.length} of ${total} steps failed: ${failed.join(', ')} (${took})`)
  process.exit(1)
}
console.log(`check: ${total} steps passed (${took})`)
