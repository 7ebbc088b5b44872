import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandPath } from '../support/library.js'
import { endChild, startBroker } from '../support/pair.js'
import { loopback } from '../support/place.js'
import { comparedRow, referenceRow } from '../support/result.js'
import type { Measurement } from '../support/settings.js'
import { timeToExit, timeToLine } from '../support/timed-process.js'

/** Process start to the `online` event of `listen --json`, against a process that does nothing. */
export const start: Measurement = {
  name: 'start',
  about: 'process start to online, listen --json',
  run: async ({ runs }) => {
    const folder = await mkdtemp(join(tmpdir(), 'throughline-bench-'))
    const children: ChildProcess[] = []
    const rounds = { idle: [] as number[], online: [] as number[] }
    try {
      const mqtt = await startBroker(loopback(), children)
      const args = [commandPath, 'listen', '--echo', '--json', '--mqtt', mqtt, '--stun', 'none', '--ntp', 'none', '--identity', join(folder, 'identity.pem')]
      for (let round = 0; round <= runs; round++) {
        const idle = await timeToExit(['-e', '0'])
        const { elapsedMs, line } = await timeToLine(args, { ...process.env, HOME: folder })
        const { event, degraded } = JSON.parse(line) as { event?: string; degraded?: readonly string[] }
        if (event !== 'online' || degraded?.includes('signalling') === true) throw new Error(`listen began with ${line}`)
        // the first makes the key and fills the file cache
        if (round === 0) continue
        rounds.idle.push(idle)
        rounds.online.push(elapsedMs)
      }
    } finally {
      await Promise.all(children.map(endChild))
      await rm(folder, { recursive: true, force: true })
    }
    const idle = referenceRow('node -e 0', 'ms', rounds.idle)
    return [{ name: 'process start to online', rows: [idle, comparedRow('throughline listen --json', rounds.online, idle)] }]
  },
}
