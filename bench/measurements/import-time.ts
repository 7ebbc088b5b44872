import { fileURLToPath } from 'node:url'
import { libraryUrl } from '../support/library.js'
import { comparedRow, referenceRow } from '../support/result.js'
import type { Measurement } from '../support/settings.js'
import { timeToExit } from '../support/timed-process.js'

const emptyModule = fileURLToPath(new URL('../support/empty.mjs', import.meta.url))

/** A process that imports the library, against one that imports an empty module. */
export const importTime: Measurement = {
  name: 'import',
  about: 'import time of the library',
  run: async ({ runs }) => {
    const rounds = { empty: [] as number[], library: [] as number[] }
    for (let round = 0; round <= runs; round++) {
      const empty = await timeToExit([emptyModule])
      const library = await timeToExit([fileURLToPath(libraryUrl)])
      if (round === 0) continue
      rounds.empty.push(empty)
      rounds.library.push(library)
    }
    const empty = referenceRow('an empty module', 'ms', rounds.empty)
    return [{ name: 'process that imports', rows: [empty, comparedRow('throughline', rounds.library, empty)] }]
  },
}
