import { finished } from 'node:stream/promises'
import type { Pipe } from '../node/types.js'

/** Sends back what arrives, with the peer's own back-pressure; resolves when both directions have ended. */
export async function serveEcho(pipe: Pipe): Promise<void> {
  pipe.pipe(pipe)
  await finished(pipe)
}
