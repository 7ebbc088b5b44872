import { withPair } from '../support/pair.js'
import { loopback } from '../support/place.js'
import { comparedRow, referenceRow } from '../support/result.js'
import type { Measurement } from '../support/settings.js'

const mib = 1_024 * 1_024
const megabytes = (bytesPerSecond: number[]) => bytesPerSecond.map(value => value / 1e6)

/** One stream in one direction over loopback, 64 KiB writes. */
export const throughput: Measurement = {
  name: 'throughput',
  about: 'one stream, one direction, 64 KiB writes',
  run: ({ runs, isQuick, profileFolder }) =>
    withPair(loopback(), { profileFolder }, async ({ dialler }) => {
      const bytes = (isQuick ? 64 : 256) * mib
      const rates = { net: [] as number[], tls: [] as number[], 'tls-aes128': [] as number[], pipe: [] as number[] }
      const transports = ['tls', 'pipe', 'tls-aes128', 'net'] as const
      for (const transport of transports) await dialler.throughput({ transport, bytes: 64 * mib })
      for (let round = 0; round < runs; round++) {
        for (const transport of transports) rates[transport].push(await dialler.throughput({ transport, bytes }))
      }
      const tls = referenceRow('mutual TLS 1.3, as Node chooses (AES-256)', 'MB/s', megabytes(rates.tls))
      return [{
        name: 'throughput of one stream, loopback',
        rows: [
          comparedRow('plain TCP', megabytes(rates.net), tls),
          tls,
          comparedRow('mutual TLS 1.3, AES-128', megabytes(rates['tls-aes128']), tls),
          comparedRow('pipe', megabytes(rates.pipe), tls, { text: '>= 0.9', holds: ({ ratio = 0 }) => ratio >= 0.9 }),
          comparedRow('pipe', megabytes(rates.pipe), referenceRow('the AES-128 line', 'MB/s', megabytes(rates['tls-aes128']))),
        ],
      }]
    }),
}
