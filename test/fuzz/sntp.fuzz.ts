/**
 * Mutates replies of time servers, and invents servers, and asserts that reading a reply never throws and tells only finite values within
 * the bounds of the exchange, and that no minority of servers moves the estimate beyond its uncertainty.
 * Run: `npx tsx test/fuzz/sntp.fuzz.ts [--runs N] [--seed N]`.
 */
import { defaults } from '../../src/config/defaults.js'
import { estimateClock, type TimeSample } from '../../src/nat/clock-estimate.js'
import { readSntpReply } from '../../src/nat/clock-reply.js'
import { decodeSntp, encodeSntp, sntpBytes } from '../../src/protocol/sntp.js'
import { epochMs, simulateExchange } from '../support/sntp-replies.js'
import { fuzzArguments } from './arguments.js'

const { runs, seed, random } = fuzzArguments()
const maxGrowth = 64 * 1_024 ** 2

const nonce = 0x0123_4567_89ab_cdefn
const counts = { read: 0, unfit: 0, refused: 0, foreign: 0 }

/** An exchange at any time of a century with any delay, its reply changed here and there, cut, or longer. */
function mutatedReply() {
  const exchange = simulateExchange({
    nonce, atMs: epochMs + (random(100) - 50) * 365 * 86_400_000, forthMs: random(500), backMs: random(500), heldMs: random(50), trueOffsetMs: random(20_000) - 10_000,
    fields: random(16) === 0 ? { stratum: 0, referenceId: Buffer.from(['DENY', 'RATE', 'INIT'][random(3)]!) } : {},
  })
  const bytes = Buffer.from(exchange.bytes)
  for (let left = random(4); left > 0; left--) {
    // the nonce stays in most: without it nothing is read at all
    const at = random(8) === 0 ? random(sntpBytes) : [random(24), 32 + random(16)][random(2)]!
    bytes[at] = random(3) === 0 ? [0, 1, 127, 128, 255][random(5)]! : random(256)
  }
  const kept = bytes.subarray(0, random(16) === 0 ? random(sntpBytes + 1) : sntpBytes)
  return { ...exchange, bytes: random(16) === 0 ? Buffer.concat([kept, Buffer.alloc(random(1_000), 7)]) : kept }
}

function readOne(): TimeSample | undefined {
  const { bytes, sentAtMs, receivedAtMs } = mutatedReply()
  const outcome = readSntpReply(bytes, [{ nonce, sentAtMs }], receivedAtMs)
  if (bytes.length >= sntpBytes && !encodeSntp(decodeSntp(bytes)).equals(bytes.subarray(0, sntpBytes))) throw new Error('a header does not come back as it was')
  if (outcome === undefined) return void counts.foreign++
  if (!outcome.ok) {
    counts[outcome.failure.code === 'ERR_TIME_SERVER_REFUSED' ? 'refused' : 'unfit']++
    if (outcome.failure.message.length > 200 || /[^\x20-\x7e]/.test(outcome.failure.message)) throw new Error(`a message nobody wants to read: ${outcome.failure.message}`)
    return undefined
  }
  counts.read++
  const { offsetMs, delayMs, rootDistanceMs } = outcome.reading
  if (!Number.isFinite(offsetMs)) throw new Error(`an offset of ${offsetMs}`)
  // a server whose clock is coarse may count its own precision too little
  if (!(delayMs >= 0 && delayMs <= receivedAtMs - sentAtMs + 0.001)) throw new Error(`a delay of ${delayMs} in ${receivedAtMs - sentAtMs} ms`)
  if (!(rootDistanceMs > 0 && rootDistanceMs <= defaults.clock.maxRootDistanceMs)) throw new Error(`a root distance of ${rootDistanceMs}`)
  return { ...outcome.reading, server: 'mutated', atMs: 0 }
}

/** True offset 0; a majority says so, each with an error it admits to, and a minority whatever came of the mutations. */
function estimateOne(): void {
  const honest = 1 + random(4)
  const liars = Array.from({ length: random(honest) }, readOne).filter(sample => sample !== undefined)
  const samples = Array.from({ length: honest }, (): TimeSample => {
    const delayMs = random(400)
    return { server: 'honest', offsetMs: (delayMs / 2) * (random(201) / 100 - 1), delayMs, rootDistanceMs: random(50), atMs: 0 }
  })
  const outcome = estimateClock([...liars, ...samples], Math.max(honest + liars.length, 1), random(1_000))
  if (!outcome.ok) throw new Error(`a majority of ${honest} was not heard: ${outcome.failure.message}`)
  const { offsetMs, uncertaintyMs } = outcome.estimate
  if (!(Math.abs(offsetMs) <= uncertaintyMs + 1e-6)) throw new Error(`an error of ${offsetMs} ms, said to be at most ${uncertaintyMs} ms`)
}

const startRss = process.memoryUsage().rss
for (let done = 0; done < runs; done++) {
  try {
    estimateOne()
    readOne()
  } catch (error) {
    console.error(`sntp: run ${done} failed; repeat with --seed ${seed} --runs ${done + 1}`)
    throw error
  }
}
const growth = process.memoryUsage().rss - startRss
if (growth > maxGrowth) throw new Error(`memory grew by ${growth} bytes over ${runs} runs`)
console.log(`sntp: ${runs} runs with seed ${seed}: ${counts.read} replies read, ${counts.unfit} unfit, ${counts.refused} refusals, ${counts.foreign} passed over, memory ${Math.round(growth / 1_024)} KiB`)
