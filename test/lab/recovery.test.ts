import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { labMissing, type Host, type LabSpec } from '../support/lab/index.js'
import { mosquittoMissing } from '../support/mosquitto.js'
import { defaults } from '../../src/config/defaults.js'
import { describeIf } from '../support/requirements.js'
import { flush, linkDown, readdress, silence, type Cut } from './cuts.js'
import { now } from './load.js'
import { siteBehind } from './punch-stage.js'
import { expectWhole, longestAfter, openPipe, startBusyStage, untilBackTo, untilFailed, untilFlowing, untilOver, untilState, type BusyNode, type BusyPipe, type BusyStage } from './recovery-stage.js'
import type { Holding } from './recovery-node.process.js'

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
  const before = new Map<string, Holding>()

  beforeAll(async () => {
    stage = await startBusyStage(spec)
    const names = Object.keys(spec.sites)
    await Promise.all(names.map(async name => nodes.set(name, await stage.startNode(hostOf(name), { bytesPerS }))))
    for (const [name, node] of nodes) before.set(name, await node.held())
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
    await Promise.all(cuts.map(async ({ heal }) => heal?.()))
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

  it('leaves nothing behind', async () => {
    for (const [name, node] of nodes) await untilBackTo(before.get(name)!, node)
  }, testLimitMs)
})

describeIf('a pipe whose path does not come back', labMissing() ?? mosquittoMissing, () => {
  let stage: BusyStage
  beforeAll(async () => {
    stage = await startBusyStage({ sites: { home: siteBehind('masquerade'), pub: siteBehind('none'), lone: siteBehind('none'), sole: siteBehind('none') } })
  }, 60_000)
  afterAll(() => stage?.close())

  const hostOf = (name: string): Host => stage.lab.hosts.get(name) as Host

  it('fails at both ends when its time is up, and says what has arrived; until then its writers are held back', async () => {
    const suspendMs = 4_000
    const [initiator, responder] = await Promise.all(['home', 'pub'].map(name => stage.startNode(hostOf(name), { suspendMs })))
    const pipe = await openPipe(initiator!, responder!, ['direct'])
    const cut = silence(hostOf('home'))
    const cutMs = now()
    await cut.apply()
    const before = await untilState(pipe, 'recovering')
    await pause(suspendMs / 2)
    const later = await Promise.all(pipe.ends.map(end => end.look(pipe.session)))
    for (const [index, look] of later.entries()) {
      const { sent = 0, stats } = look ?? {}
      expect(sent - (stats?.acknowledged ?? 0)).toBeLessThanOrEqual(defaults.session.maxWindow + heldInDuplex)
      expect(sent - (before[index]?.sent ?? 0), 'written while suspended').toBeLessThanOrEqual(defaults.session.maxWindow)
    }
    const ends = await untilOver(pipe)
    const tookMs = now() - cutMs
    process.stderr.write(`given up after ${Math.round(tookMs)} ms with suspendMs ${suspendMs}: ${ends.map(({ error }) => error?.message).join(' | ')}\n`)
    for (const [index, { error, isWhole }] of ends.entries()) {
      expect(isWhole).toBe(false)
      expect(['ERR_CONNECTION_LOST', 'ERR_PIPE_SILENT']).toContain(error?.code)
      const [, acknowledged] = /has acknowledged (\d+)$/.exec(error?.message ?? '') ?? []
      const { received } = ends[1 - index]!
      expect(Number(acknowledged)).toBeGreaterThan(0)
      expect(Number(acknowledged)).toBeLessThanOrEqual(received.bytes)
    }
    expect(tookMs).toBeLessThan(suspendMs + 5_000)
    await cut.heal?.()
  }, testLimitMs)

  it('fails at once when the peer has restarted', async () => {
    const listenPort = 4_444
    const initiator = await stage.startNode(hostOf('lone'), { bytesPerS })
    const responder = await stage.startNode(hostOf('sole'), { bytesPerS, listenPort })
    const pipe = await openPipe(initiator, responder, ['direct', 'reverse', 'punch'])
    await responder.kill()
    const again = await stage.startNode(hostOf('sole'), { bytesPerS, listenPort })
    const upMs = now()
    const { error, atMs } = await untilFailed(pipe.session, initiator)
    process.stderr.write(`the restarted peer was recognised ${Math.round(atMs - upMs)} ms after it was warm: ${error.message}\n`)
    expect(error.code).toBe('ERR_SESSION_UNKNOWN')
    expect(atMs - upMs).toBeLessThan(2_000)
    expect(await again.look(pipe.session)).toBeUndefined()
  }, testLimitMs)
})

/** Buffers of the Duplex and one write beyond. */
const heldInDuplex = 512 * 1_024

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
