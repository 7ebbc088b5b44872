import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { labMissing, type Host, type LabSpec } from '../support/lab/index.js'
import { mosquittoMissing } from '../support/mosquitto.js'
import { describeIf } from '../support/requirements.js'
import { flush, linkDown, readdress, silence, type Cut } from './cuts.js'
import { now, type Carried } from './load.js'
import { siteBehind } from './punch-stage.js'
import { longestAfter, openPipe, startBusyStage, untilFlowing, type BusyNode, type BusyPipe, type BusyStage } from './recovery-stage.js'

/** THROUGHLINE_TEST_LONG=1: a hundred cuts over all kinds; else one of each. */
const isLong = process.env['THROUGHLINE_TEST_LONG'] === '1'
const rounds = isLong ? Number(process.env['THROUGHLINE_TEST_RUNS'] ?? 6) : 1
const testLimitMs = isLong ? 900_000 : 120_000
const bytesPerS = 2_000_000
/** From the moment the path is there again to bytes at both ends. */
const gapLimitMs = 3_000

const spec: LabSpec = {
  sites: {
    home: siteBehind('masquerade'), drawn: siteBehind('random'), other: siteBehind('masquerade'),
    pub: siteBehind('none', { addresses: 2 }),
  },
}

/** How the pipe comes up, and how it is cut. */
interface Course {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly strategies: readonly string[]
  readonly cuts: readonly ((stage: BusyStage, host: (name: string) => Host) => Promise<readonly Cut[]>)[]
}

/** The address of a host, and another one that reaches it. */
const addressesOf = ({ ipv4, secondIpv4 }: Host & { readonly secondIpv4?: string }): readonly [string, string] =>
  secondIpv4 === undefined ? [`${ipv4}/24`, ipv4.replace(/\d+$/, '77/24')] : [`${ipv4}/30`, `${secondIpv4}/32`]

const at = (...names: readonly string[]) => ({
  down: async (_: BusyStage, host: (name: string) => Host) => Promise.all(names.map(name => linkDown(host(name)))),
  dropped: async (_: BusyStage, host: (name: string) => Host) => names.map(name => silence(host(name))),
  moved: async (_: BusyStage, host: (name: string) => Host) => Promise.all(names.map(name => readdress(host(name), ...addressesOf(host(name))))),
  forgotten: async (stage: BusyStage, host: (name: string) => Host) => names.map(name => flush(stage.lab, host(name), false)),
  ignored: async (stage: BusyStage, host: (name: string) => Host) => names.map(name => flush(stage.lab, host(name), true)),
})

const courses: readonly Course[] = [
  {
    name: 'a direct pipe', from: 'home', to: 'pub', strategies: ['direct', 'reverse', 'punch'],
    cuts: [at('home').down, at('pub').down, at('home', 'pub').down, at('home').dropped, at('pub').dropped, at('home').moved, at('pub').moved, at('home', 'pub').moved, at('home').ignored],
  },
  { name: 'a direct pipe whose NAT draws its ports', from: 'drawn', to: 'pub', strategies: ['direct'], cuts: [at('drawn').forgotten, at('drawn').ignored] },
  { name: 'a reverse pipe', from: 'pub', to: 'home', strategies: ['reverse'], cuts: [at('home').down, at('pub').dropped, at('home').moved, at('home').ignored] },
  { name: 'a punched pipe', from: 'home', to: 'other', strategies: ['punch'], cuts: [at('home').down, at('other').dropped, at('home', 'other').ignored, at('other').moved] },
]

const random = seeded(Number(process.env['THROUGHLINE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31)))

describeIf('a pipe whose path is cut', labMissing() ?? mosquittoMissing, () => {
  let stage: BusyStage
  const nodes = new Map<string, BusyNode>()
  const gaps: { readonly what: string; readonly gapMs: number }[] = []

  beforeAll(async () => {
    stage = await startBusyStage(spec)
    const names = Object.keys(spec.sites)
    await Promise.all(names.map(async name => nodes.set(name, await stage.startNode(hostOf(name), { bytesPerS }))))
  }, 60_000)
  afterAll(async () => {
    await stage?.close()
    const sorted = gaps.map(({ gapMs }) => gapMs).sort((a, b) => a - b)
    const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN)
    process.stderr.write(`${gaps.length} cuts: gap p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms\n`)
    if (isLong) expect(at(0.95)).toBeLessThanOrEqual(gapLimitMs)
  })

  const hostOf = (name: string): Host => stage.lab.hosts.get(name) as Host
  const nodeAt = (name: string): BusyNode => nodes.get(name) as BusyNode

  /** Cuts the path, heals it, and waits until it is of use again. */
  async function cutOnce(pipe: BusyPipe, cuts: readonly Cut[], what: string): Promise<void> {
    const outageMs = cuts.some(({ heal }) => heal !== undefined) ? 500 + Math.floor(random() * (isLong ? 7_500 : 1_500)) : 0
    const cutMs = now()
    await Promise.all(cuts.map(({ apply }) => apply()))
    await pause(outageMs)
    await Promise.all(cuts.map(({ heal }) => heal?.()))
    const backMs = now()
    const looks = await untilFlowing(pipe, backMs, 1_000)
    const each = looks.map(({ silences }) => longestAfter(silences, outageMs === 0 ? cutMs : backMs))
    const gapMs = Math.max(...each)
    gaps.push({ what, gapMs })
    process.stderr.write(`${what}: ${cuts.map(({ name }) => name).join(' + ')}${outageMs > 0 ? ` for ${outageMs} ms` : ''}: back after ${each.map(Math.round).join(' and ')} ms by ${looks[0].path.strategy} (${looks[0].path.reason ?? 'dial'})\n`)
    expect(gapMs, what).toBeLessThanOrEqual(isLong ? 10_000 : gapLimitMs)
  }

  for (const { name, from, to, strategies, cuts } of courses) {
    it(`carries ${name} on, whatever cuts it, without a byte lost or doubled`, async () => {
      const pipe = await openPipe(nodeAt(from), nodeAt(to), strategies)
      for (let round = 0; round < rounds; round++) {
        for (const cut of cuts) await cutOnce(pipe, await cut(stage, hostOf), name)
      }
      await expectWhole(pipe)
    }, testLimitMs)
  }
})

/** Ends both directions, and compares what went in with what came out. */
async function expectWhole({ session, ends }: BusyPipe): Promise<void> {
  const [one, other] = (await Promise.all(ends.map(end => end.finish(session)))) as [Carried, Carried]
  expect([one.error, other.error]).toEqual([undefined, undefined])
  expect(other.received).toEqual(one.sent)
  expect(one.received).toEqual(other.sent)
  expect([one.isWhole, other.isWhole]).toEqual([true, true])
  for (const { states } of [one, other]) {
    expect(states.at(-1)).toBe('closed')
    expect([...new Set(states)].filter(state => !['connected', 'recovering', 'closed'].includes(state))).toEqual([])
  }
}

/** Mulberry32; the seed is printed so that a run can be repeated. */
function seeded(seed: number): () => number {
  process.stderr.write(`recovery: THROUGHLINE_TEST_SEED=${seed}\n`)
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
