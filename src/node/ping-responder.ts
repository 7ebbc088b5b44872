import { pipeline } from 'node:stream'
import type { Pipe } from './types.js'

/** Protocol of `throughline ping`; every inbound node answers it, `authorize` applies. */
export const pingProtocol = 'tl/ping/1'

/** Sends back what comes, to the end. */
export function echoPings(pipe: Pipe): void {
  pipeline(pipe, pipe, () => {})
}
