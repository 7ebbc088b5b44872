import { setTimeout as pause } from 'node:timers/promises'
import { withPair, type Pair } from '../support/pair.js'
import { distant, loopback, type Place } from '../support/place.js'
import { comparedRow, referenceRow, type Measured, type Target } from '../support/result.js'
import type { Measurement, Settings } from '../support/settings.js'

const farRttMs = 40
const settleMs = 25

const kinds = [['tls', 'tls', false], ['pipe', 'pipe', false], ['net', 'net', false], ['early', 'pipe', true]] as const

const withinHalf: Target = { text: '<= 1.5', holds: ({ ratio = Infinity }) => ratio <= 1.5 }

/** `connect()` to the first echoed byte, to a peer whose address is known, both nodes up and compiled. */
export const firstByte: Measurement = {
  name: 'first-byte',
  about: 'connect() to first echoed byte',
  run: async settings => {
    const near = await measureAt(loopback(), settings, 6)
    const place = await distant(farRttMs)
    if ('skipped' in place) return [near, { name: `first echoed byte, ${farRttMs} ms RTT`, rows: [], skipped: place.skipped }]
    return [near, await measureAt(place, settings, 3)]
  },
}

async function measureAt(place: Place, settings: Settings, factor: number): Promise<Measured> {
  try {
    return await withPair(place, { profileFolder: settings.profileFolder }, pair => measure(pair, place.name, settings, factor))
  } finally {
    await place.close()
  }
}

async function measure({ dialler }: Pair, placeName: string, { runs, isQuick }: Settings, factor: number): Promise<Measured> {
  const concurrency = placeName === 'loopback' ? 4 : 16
  for (const transport of ['net', 'tls', 'pipe'] as const) await dialler.warmUp({ transport, count: isQuick ? 30 : 200, concurrency })
  const rounds = { net: [] as number[], tls: [] as number[], pipe: [] as number[], early: [] as number[] }
  for (let round = 0; round < runs * factor; round++) {
    for (const [kind, transport, early] of kinds) {
      rounds[kind].push(await dialler.firstByte({ transport, early }))
      // what one leaves behind in either process is not the next one's
      await pause(settleMs)
    }
  }
  const tls = referenceRow('mutual TLS 1.3', 'ms', rounds.tls)
  return {
    name: `first echoed byte, ${placeName}`,
    rows: [
      comparedRow('plain TCP', rounds.net, tls),
      tls,
      comparedRow('pipe', rounds.pipe, tls, withinHalf),
      comparedRow('pipe with firstBytes', rounds.early, tls, withinHalf),
    ],
  }
}
