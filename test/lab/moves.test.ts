import { afterAll, beforeAll, expect, it } from 'vitest'
import { labMissing, type Host } from '../support/lab/index.js'
import { coturnMissing } from '../support/lab/services.js'
import { mosquittoMissing } from '../support/mosquitto.js'
import { describeIf } from '../support/requirements.js'
import { now, type Silence } from './load.js'
import { distances, relaySite, siteBehind, startRelay } from './punch-stage.js'
import { expectWhole, openPipe, startBusyStage, untilBackTo, untilFlowing, type BusyNode, type BusyPipe, type BusyStage } from './recovery-stage.js'

/** THROUGHLINE_TEST_LONG=1: a thousand moves, half of them under more load. */
const isLong = process.env['THROUGHLINE_TEST_LONG'] === '1'
const moves = isLong ? Number(process.env['THROUGHLINE_TEST_MOVES'] ?? 500) : 10
const testLimitMs = isLong ? 1_200_000 : 60_000
/** From one move to the next: the windows are open again. */
const settleMs = 300
/** Round trips of the slower path; a relay at the distance of any other site makes it two. */
const stallRtts = 4

interface Course {
  readonly ways: readonly [string, string]
  readonly megabytesPerS: number
  readonly slowerMs: number
}

const courses: readonly Course[] = [
  { ways: ['reverse', 'direct'], megabytesPerS: 1, slowerMs: distances.P },
  { ways: ['reverse', 'direct'], megabytesPerS: 8, slowerMs: distances.P },
  { ways: ['relay', 'direct'], megabytesPerS: 1, slowerMs: 2 * distances.P },
]

describeIf('a pipe that is moved again and again', labMissing() ?? mosquittoMissing ?? coturnMissing, () => {
  let stage: BusyStage
  let relay: string
  beforeAll(async () => {
    const pairs = courses.flatMap((_, index) => [`left${index}`, `right${index}`])
    stage = await startBusyStage({ sites: { turn: relaySite, ...Object.fromEntries(pairs.map(name => [name, siteBehind('none')])) } })
    relay = await startRelay(stage.lab.sites['turn']!)
  }, 60_000)
  afterAll(() => stage?.close())

  const hostOf = (name: string): Host => stage.lab.hosts.get(name) as Host

  for (const [index, { ways, megabytesPerS, slowerMs }] of courses.entries()) {
    const what = `${ways.join(' and ')}, ${megabytesPerS} MB/s each way`
    it(`loses and doubles nothing in ${moves} moves between ${what}`, async () => {
      const extras = { bytesPerS: megabytesPerS * 1e6, turn: ways.includes('relay') ? [relay] : [] }
      const [initiator, responder] = (await Promise.all(['left', 'right'].map(name => stage.startNode(hostOf(`${name}${index}`), extras)))) as [BusyNode, BusyNode]
      const pipe = await openPipe(initiator, responder, ['direct'])
      await untilFlowing(pipe, now(), 1_000)
      const before = await Promise.all(pipe.ends.map(end => end.held()))
      const stalls: number[] = []
      const usual: number[] = []
      const took: number[] = []
      for (let move = 0; move < moves; move++) {
        const { stallMs, usualMs, tookMs } = await moveOnce(pipe, ways[move % 2]!)
        stalls.push(...stallMs)
        usual.push(...usualMs)
        took.push(tookMs)
      }
      const looks = await Promise.all(pipe.ends.map(end => end.look(pipe.session)))
      process.stderr.write(`${what}: ${moves} moves, half done in ${quantile(took, 0.5)} ms; ${looks.map(look => Math.round((look?.received ?? 0) / 1e6)).join(' and ')} MB received\nlongest stall around a move ${told(stalls)}; in as much time before one ${told(usual)}\n`)
      for (const [index, end] of pipe.ends.entries()) await untilBackTo(before[index]!, end)
      await expectWhole(pipe)
      // a machine that is busy with other things holds bytes up without a move, too
      if (isLong) expect(quantile(stalls, 0.99)).toBeLessThanOrEqual(stallRtts * slowerMs + quantile(usual, 0.99))
    }, testLimitMs)
  }
})

/** The longest stall at each end: from the wish to 300 ms behind the move, and in as much time before. */
async function moveOnce(pipe: BusyPipe, strategy: string): Promise<{ readonly stallMs: readonly number[]; readonly usualMs: readonly number[]; readonly tookMs: number }> {
  const [initiator] = pipe.ends
  const startMs = now()
  const path = await initiator.repath(pipe.session, [strategy])
  const tookMs = now() - startMs
  expect(path).toMatchObject({ strategy, reason: 'repath' })
  const beforeMs = startMs - tookMs - settleMs
  const looks = await untilFlowing(pipe, now(), settleMs, beforeMs)
  return {
    stallMs: looks.map(({ silences }) => longestBetween(silences, startMs, Number.POSITIVE_INFINITY)),
    usualMs: looks.map(({ silences }) => longestBetween(silences, beforeMs, startMs)),
    tookMs,
  }
}

const longestBetween = (silences: readonly Silence[], fromMs: number, toMs: number): number =>
  Math.max(0, ...silences.map(silence => Math.min(silence.toMs, toMs) - Math.max(silence.fromMs, fromMs)))

const quantile = (values: readonly number[], share: number): number => Math.round([...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? Number.NaN)

const told = (values: readonly number[]): string => `p50 ${quantile(values, 0.5)}, p90 ${quantile(values, 0.9)}, p99 ${quantile(values, 0.99)}, at most ${quantile(values, 1)} ms`
