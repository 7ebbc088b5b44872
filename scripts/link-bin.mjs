// Makes `npx throughline` in a clone run the build of that clone, without npm fetching or copying anything.
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'

const main = 'dist/src/cli/main.js'
if (existsSync(main) && process.platform !== 'win32') {
  chmodSync(main, 0o755)
  mkdirSync('node_modules/.bin', { recursive: true })
  rmSync('node_modules/.bin/throughline', { force: true })
  symlinkSync(`../../${main}`, 'node_modules/.bin/throughline')
}
