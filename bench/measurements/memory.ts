import { setTimeout as pause } from 'node:timers/promises'
import { withPair, type Pair } from '../support/pair.js'
import { loopback } from '../support/place.js'
import { comparedRow, referenceRow, type Measured, type Target } from '../support/result.js'
import type { Measurement, Settings } from '../support/settings.js'

/** What an attempt leaves for later (losers that linger, held offers) is gone by then. */
const settleMs = 2_500

const atMost60: Target = { text: '<= 60 kB above TLS', holds: ({ difference = Infinity }) => difference <= 60 }

/** Resident memory per idle stream, each side, a fresh pair of processes per figure. */
export const memory: Measurement = {
  name: 'memory',
  about: 'memory per idle pipe, each side',
  run: async settings => {
    const count = settings.isQuick ? 250 : 1_000
    const rounds = Math.max(1, Math.round(settings.runs / 5))
    const figures: Record<'tls' | 'pipe', Figures[]> = { tls: [], pipe: [] }
    for (let round = 0; round < rounds; round++) {
      for (const transport of ['tls', 'pipe'] as const) figures[transport].push(await measure(transport, count, settings))
    }
    return (['listener', 'dialler'] as const).map((side): Measured => {
      const tls = referenceRow('mutual TLS 1.3 socket', 'kB', figures.tls.map(figure => figure[side]))
      return { name: `memory per idle stream, ${side}, ${count} of them`, rows: [tls, comparedRow('pipe', figures.pipe.map(figure => figure[side]), tls, atMost60)] }
    })
  },
}

interface Figures {
  readonly listener: number
  readonly dialler: number
}

async function measure(transport: 'tls' | 'pipe', count: number, { profileFolder }: Settings): Promise<Figures> {
  return withPair(loopback(), { profileFolder }, async pair => {
    await pair.dialler.warmUp({ transport, count: 50, concurrency: 8 })
    await pause(settleMs)
    const before = await read(pair)
    await pair.dialler.hold({ transport, count })
    await pause(settleMs)
    const after = await read(pair)
    const perStream = (side: keyof Figures) => (after[side] - before[side]) / count / 1_000
    return { listener: perStream('listener'), dialler: perStream('dialler') }
  })
}

async function read({ listener, dialler }: Pair): Promise<Figures> {
  return { listener: await listener.memory(), dialler: await dialler.memory() }
}
