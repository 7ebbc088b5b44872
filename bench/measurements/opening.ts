import { withPair, type Pair } from '../support/pair.js'
import { loopback } from '../support/place.js'
import { comparedRow, referenceRow, type Measured } from '../support/result.js'
import type { Measurement, Settings } from '../support/settings.js'

/** Pipes opened per second, against TLS connections. A TLS client calls itself connected before the server has seen its key; a pipe has been accepted. */
export const opening: Measurement = {
  name: 'opening',
  about: 'pipes opened per second, one after the other and 32 at once',
  run: settings =>
    withPair(loopback(), { profileFolder: settings.profileFolder }, async pair => {
      for (const transport of ['tls', 'pipe'] as const) await pair.dialler.warmUp({ transport, count: settings.isQuick ? 30 : 200, concurrency: 8 })
      return [await measure(pair, 1, settings), await measure(pair, 32, settings)]
    }),
}

async function measure({ dialler, listener }: Pair, concurrency: number, { runs, isQuick }: Settings): Promise<Measured> {
  const count = isQuick ? 32 : 160
  const rates = { tls: [] as number[], pipe: [] as number[] }
  const costs = { tls: [] as number[], pipe: [] as number[] }
  const spentMs = async () => (await dialler.processor()) + (await listener.processor())
  for (let round = 0; round < runs; round++) {
    for (const transport of ['tls', 'pipe'] as const) {
      const beforeMs = await spentMs()
      rates[transport].push(await dialler.openRate({ transport, count, concurrency }))
      costs[transport].push(((await spentMs()) - beforeMs) / count)
    }
  }
  const rate = referenceRow('mutual TLS 1.3', '1/s', rates.tls)
  const cost = referenceRow('processor time of both sides, TLS', 'ms', costs.tls)
  return {
    name: concurrency === 1 ? 'opened per second, one after the other' : `opened per second, ${concurrency} at once`,
    rows: [rate, comparedRow('pipe', rates.pipe, rate), cost, comparedRow('processor time of both sides, pipe', costs.pipe, cost)],
  }
}
