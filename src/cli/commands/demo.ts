import { usageError } from '../failure.js'
import type { Command } from '../context.js'

/** `throughline demo`: placeholder until the demo is written. */
export const demo: Command = async () => {
  throw usageError('the demo is not written yet')
}
