import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Failure } from '../../src/errors/index.js'
import type { ClockSummary } from '../../src/node/types.js'
import { labMissing, startLab, type Lab, type Site } from '../support/lab/index.js'
import { chronyMissing, startChrony } from '../support/lab/services.js'
import { describeIf } from '../support/requirements.js'
import { ask, startServer } from './processes.js'

/** What clock.process.ts prints. */
interface Report {
  readonly clock: ClockSummary | null
  readonly clockError?: Failure
  readonly trueOffsetMs: number
  readonly degraded: readonly string[]
  /** Through a pipe that was connected before the time was known. */
  readonly echo: string
  readonly elapsedMs: number
}

/** Of our own time servers, by how much they are wrong. */
const liars = { 'plus-10-s': 10_000, 'minus-7-s': -7_000, 'plus-30-ms': 30, 'minus-30-ms': -30 } as const
const honest = ['chrony-1', 'chrony-2'] as const
type Server = keyof typeof liars | (typeof honest)[number]

/** Reading one clock by another costs as much. */
const comparisonErrorMs = 1

describeIf('the time of a node, 40 ms from its time servers,', labMissing() ?? chronyMissing, () => {
  let lab: Lab
  const site = (name: string): Site => lab.sites[name] as Site
  const took: string[] = []

  beforeAll(async () => {
    const servers = Object.fromEntries([...honest, ...Object.keys(liars)].map(name => [name, {}]))
    lab = await startLab({ sites: { home: { nat: 'masquerade', uplinkDelayMs: 20 }, ...servers } })
    await Promise.all([
      ...honest.map(name => startChrony(site(name))),
      ...Object.entries(liars).map(([name, byMs]) => startServer(site(name), 'sntp', [site(name).ipv4], { THROUGHLINE_TEST_CLOCK_OFFSET_MS: String(byMs) })),
    ])
  })
  afterAll(async () => {
    process.stderr.write(`first rounds: ${took.join('; ')}\n`)
    await lab?.close()
  })

  /** As a node that is wrong by so much finds it. */
  async function askTime(wrongByMs: number, addresses: readonly string[]): Promise<Report & { readonly errorMs: number }> {
    const report = await ask<Report>(site('home'), 'clock', addresses, { THROUGHLINE_TEST_CLOCK_OFFSET_MS: String(wrongByMs) })
    const errorMs = Math.abs((report.clock?.offsetMs ?? NaN) - report.trueOffsetMs)
    took.push(`${Math.round(report.elapsedMs)} ms, wrong by ${errorMs.toFixed(2)} of ${report.clock?.uncertaintyMs.toFixed(1)} ms`)
    return { ...report, errorMs }
  }
  const at = (...servers: readonly Server[]): readonly string[] => servers.map(name => site(name).ipv4)

  it.concurrent.each([0, -123_456, 600_000])('is right within 5 ms beside one that lies by ten seconds; its own clock is %i ms off', async wrongByMs => {
    const servers = at('chrony-1', 'plus-10-s', 'chrony-2')
    const { clock, errorMs, degraded } = await askTime(wrongByMs, servers)
    expect(errorMs).toBeLessThanOrEqual(5)
    expect(errorMs).toBeLessThanOrEqual((clock?.uncertaintyMs ?? NaN) + comparisonErrorMs)
    expect(clock?.source).toBe(`${servers[0]}, ${servers[2]}`)
    expect(degraded).not.toContain('clock')
  })

  it.concurrent('is unknown, with the reason, when two of three lie', async () => {
    const { clock, clockError, degraded } = await askTime(0, at('plus-10-s', 'minus-7-s', 'chrony-1'))
    expect(clock).toBeNull()
    expect(clockError).toMatchObject({ code: 'ERR_CLOCK_UNSYNCHRONISED', message: expect.stringMatching(/^no majority of the time servers agrees: \S+ says \+\d+\.\d ms, \S+ says -\d+\.\d ms, /) })
    expect(degraded).toContain('clock')
  })

  it.concurrent('is within its uncertainty when two of three lie by little', async () => {
    const { clock, errorMs } = await askTime(0, at('plus-30-ms', 'chrony-1', 'minus-30-ms'))
    expect(errorMs).toBeLessThanOrEqual((clock?.uncertaintyMs ?? NaN) + comparisonErrorMs)
  })

  it.concurrent('is unknown, with the reason, when nobody answers, and pipes connect all the same', async () => {
    const { clock, clockError, echo, elapsedMs } = await askTime(0, ['198.51.100.250', '198.51.100.251', '198.51.100.252'])
    expect(clock).toBeNull()
    expect(clockError).toMatchObject({ code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'none of 3 time servers gave a time' })
    expect(echo).toBe('across')
    // what settled() promises at most
    expect(elapsedMs).toBeLessThan(12_000)
  })
})
