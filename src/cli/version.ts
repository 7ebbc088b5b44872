import { readFileSync } from 'node:fs'

/** Version of the package this file is part of, built (dist/src/cli) or not (src/cli). */
export function readVersion(): string {
  for (const up of ['../../', '../../../']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(`${up}package.json`, import.meta.url), 'utf8')) as { name?: string; version?: string }
      if (name === 'throughline' && version !== undefined) return version
    } catch {
      // Not there: one folder further up.
    }
  }
  return 'unknown'
}
