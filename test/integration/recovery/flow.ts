import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Pipe } from '../../../src/node/types.js'

/** Writes random bytes until told to stop, ends, and resolves to their digest. */
export class Flow {
  readonly #pipe: Pipe
  readonly #hash = createHash('sha256')
  #isStopped = false
  /** Bytes written. */
  bytes = 0
  readonly ended: Promise<string>

  constructor(pipe: Pipe) {
    this.#pipe = pipe
    this.ended = this.#run()
  }

  stop(): Promise<string> {
    this.#isStopped = true
    return this.ended
  }

  async #run(): Promise<string> {
    while (!this.#isStopped) {
      const chunk = randomBytes(20_000)
      this.#hash.update(chunk)
      this.bytes += chunk.length
      if (!this.#pipe.write(chunk)) await once(this.#pipe, 'drain')
      // the other side shares this process
      await new Promise(setImmediate)
    }
    this.#pipe.end()
    return this.#hash.digest('hex')
  }
}

/** Reads to the clean end; resolves to the digest. Rejects with the pipe's error. */
export async function digest(pipe: Pipe): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of pipe) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
