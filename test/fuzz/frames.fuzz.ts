/**
 * Mutates valid frame streams and asserts that the decoder emits only well-formed frames or fails with ERR_PROTOCOL_VIOLATION, and that a
 * session fed with them neither throws nor keeps more than its credit. Run: `npx tsx test/fuzz/frames.fuzz.ts [--runs N] [--seed N]`.
 */
import { ThroughlineError } from '../../src/errors/index.js'
import { encodeData } from '../../src/protocol/data-frames.js'
import { FrameDecoder } from '../../src/protocol/frame-decoder.js'
import { encodeFrame, frameSizes, type Frame } from '../../src/protocol/frames.js'
import { ReceiveBuffer } from '../../src/streams/session/receive-buffer.js'
import { fuzzArguments } from './arguments.js'

const { runs, seed, random } = fuzzArguments()
const windowBytes = 65_536
const maxGrowth = 64 * 1_024 ** 2

const id = '00112233445566778899aabbccddeeff'
const samples: readonly Buffer[] = [
  encodeFrame({ type: 'hello', version: 1, role: 'initiator', session: id, attempt: id }),
  encodeFrame({ type: 'open', epoch: 1, established: false, receivedOffset: 0, maxOffset: windowBytes, protocol: 'chat/1', reason: 'dial' }),
  encodeFrame({ type: 'accept', epoch: 1, receivedOffset: 5, maxOffset: windowBytes }),
  encodeFrame({ type: 'pending', epoch: 1 }),
  encodeFrame({ type: 'refuse', epoch: 1, code: 'ERR_BUSY' }),
  encodeData([Buffer.alloc(300, 1)], 300, 0),
  encodeData([Buffer.alloc(20_000, 2)], 20_000, 300),
  encodeFrame({ type: 'ack', receivedOffset: 10, maxOffset: windowBytes }),
  encodeFrame({ type: 'fin', offset: 20_300 }),
  encodeFrame({ type: 'abort', code: 'ERR_INTERRUPTED' }),
  encodeFrame({ type: 'ping', token: 7 }),
  Buffer.from([200, 0, 2, 1, 2]),
]

function mutated(): Buffer {
  const bytes = Buffer.concat(Array.from({ length: 1 + random(5) }, () => samples[random(samples.length)]!))
  for (let left = random(4); left > 0; left--) {
    const at = random(bytes.length)
    bytes[at] = random(3) === 0 ? [0, 1, 127, 128, 255][random(5)]! : random(256)
  }
  const kept = bytes.subarray(0, random(8) === 0 ? random(bytes.length + 1) : bytes.length)
  return random(8) === 0 ? Buffer.concat([kept, Buffer.from(Array.from({ length: random(40) }, () => random(256)))]) : kept
}

function assertWellFormed(frame: Frame): void {
  for (const [name, value] of Object.entries(frame)) {
    if (typeof value === 'number' && !(Number.isSafeInteger(value) && value >= 0)) throw new Error(`${frame.type}.${name} = ${value}`)
    if (typeof value === 'string' && Buffer.byteLength(value) > 3 * frameSizes.maxControl) throw new Error(`${frame.type}.${name} is too long`)
  }
  if (frame.type === 'data' && (frame.bytes.length === 0 || frame.bytes.length > frameSizes.maxData)) throw new Error('a DATA piece of a forbidden length')
}

const counts = { whole: 0, violations: 0, frames: 0 }

function run(): void {
  const bytes = mutated()
  const decoder = new FrameDecoder()
  const received = new ReceiveBuffer()
  let kept = 0
  const emit = (frame: Frame) => {
    counts.frames++
    assertWellFormed(frame)
    if (frame.type === 'data' && received.accept(frame.offset, frame.bytes, windowBytes)) kept = received.receivedBytes
    if (frame.type === 'fin') received.finish(frame.offset)
    if (kept > windowBytes) throw new Error(`${kept} bytes are kept, above the credit`)
  }
  try {
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random(random(2) === 0 ? 40 : bytes.length)
      decoder.push(Buffer.from(bytes.subarray(at, at + size)), emit)
      at += size
    }
    counts.whole++
  } catch (error) {
    if (!ThroughlineError.is(error) || error.code !== 'ERR_PROTOCOL_VIOLATION') throw error
    counts.violations++
  }
}

const startRss = process.memoryUsage().rss
for (let done = 0; done < runs; done++) {
  try {
    run()
  } catch (error) {
    console.error(`frames: run ${done} failed; repeat with --seed ${seed} --runs ${done + 1}`)
    throw error
  }
}
const growth = process.memoryUsage().rss - startRss
if (growth > maxGrowth) throw new Error(`memory grew by ${growth} bytes over ${runs} runs`)
console.log(`frames: ${runs} runs with seed ${seed}: ${counts.whole} streams passed, ${counts.violations} refused, ${counts.frames} frames, memory ${Math.round(growth / 1_024)} KiB`)
