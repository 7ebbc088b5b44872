import { EventEmitter } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { CommandProcess } from '../../../src/cli/run.js'

/** A process whose streams, signals and exit a test holds. */
export class FakeProcess extends EventEmitter implements CommandProcess {
  readonly stdin = new PassThrough()
  readonly stdout = new PassThrough({ highWaterMark: 1024 ** 2 })
  readonly stderr = new PassThrough({ highWaterMark: 1024 ** 2 })
  readonly exits: number[] = []

  readonly env: Readonly<Record<string, string | undefined>>

  constructor(env: Readonly<Record<string, string | undefined>> = {}) {
    super()
    this.env = env
  }

  cwd(): string {
    return '/nonexistent'
  }

  exit(code: number): void {
    this.exits.push(code)
  }

  /** Everything written to a stream, which is ended. */
  async written(name: 'stdout' | 'stderr'): Promise<string> {
    this[name].end()
    return text(this[name])
  }

  /** The JSON lines of a stream without their times. */
  async events(name: 'stdout' | 'stderr'): Promise<Record<string, unknown>[]> {
    const lines = (await this.written(name)).split('\n').filter(line => line !== '')
    return lines.map(line => {
      const { atMs, ...fields } = JSON.parse(line) as Record<string, unknown>
      if (typeof atMs !== 'number') throw new Error(`no atMs in ${line}`)
      return fields
    })
  }
}

/** The next whole line of a stream. */
export async function nextLine(stream: Readable): Promise<string> {
  let line = ''
  for (;;) {
    const byte = stream.read(1) as Buffer | null
    if (byte === null) await new Promise(resolve => stream.once('readable', resolve))
    else if (byte.toString() === '\n') return line
    else line += byte.toString()
  }
}
