import { distances, relaySite, siteBehind, startRelay, startStage, type StageNode } from '../../test/lab/punch-stage.js'
import { labMissing, type Host, type Site } from '../../test/support/lab/index.js'
import { coturnMissing } from '../../test/support/lab/services.js'
import { mosquittoMissing } from '../../test/support/mosquitto.js'
import { referenceRow, type Measured, type Row } from '../support/result.js'
import type { Measurement } from '../support/settings.js'

const { K, S } = distances
/** What issue 5 allows `connect()` to take. */
const limitMs = 3 * K + 9 * S + 50

/** `connect()` by a relay alone between two NATs that nothing else joins, both nodes warm; by who has the server. */
export const relay: Measurement = {
  name: 'relay',
  about: `connect() by a relay alone, warm, in the lab: ${K} ms to the broker, ${S} ms to the relay; limit ${limitMs} ms`,
  run: async ({ runs, isQuick }) => {
    const missing = labMissing() ?? mosquittoMissing ?? coturnMissing
    if (missing !== undefined) return [{ name, rows: [], skipped: missing }]
    const stage = await startStage({ sites: { relay: relaySite, one: siteBehind('random'), two: siteBehind('random'), three: siteBehind('random') } })
    try {
      const turn = [await startRelay(stage.lab.sites['relay'] as Site)]
      const hostOf = (site: string) => stage.lab.hosts.get(site) as Host
      const [withRelay, without, other] = [await stage.startNode(hostOf('one'), { turn }), await stage.startNode(hostOf('two')), await stage.startNode(hostOf('three'), { turn })]
      const count = isQuick ? runs : 4 * runs
      const rows = [
        await row('the dialling side has it', withRelay, without, count),
        await row('the listening side has it', without, withRelay, count),
        await row('both have it', withRelay, other, count),
      ]
      return [{ name, rows } satisfies Measured]
    } finally {
      await stage.close()
    }
  },
}

const name = 'connect() by a relay alone'

async function row(what: string, dialler: StageNode, listener: StageNode, count: number): Promise<Row> {
  const times: number[] = []
  for (let round = 0; round < count; round++) {
    const { openedMs, error } = await dialler.dial({ address: await listener.address(), strategies: ['relay'], timeoutMs: 10_000 })
    if (openedMs === undefined) throw new Error(`${what}: ${error?.code} ${error?.message}`)
    times.push(openedMs)
  }
  const measured = referenceRow(what, 'ms', times)
  return { ...measured, target: { text: `<= ${limitMs} ms`, isMet: measured.value <= limitMs } }
}
