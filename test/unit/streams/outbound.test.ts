import { describe, expect, it } from 'vitest'
import type { Channel } from '../../../src/net/channel.js'
import { dataPerFrame } from '../../../src/protocol/data-frames.js'
import { FrameDecoder } from '../../../src/protocol/frame-decoder.js'
import type { Link } from '../../../src/streams/session/links.js'
import { Outbound } from '../../../src/streams/session/outbound.js'
import { ManualClock } from '../../support/manual-clock.js'

const kib = 1_024
const ignore = () => {}

/** An outbound half over a socket that is busy after each write until `drain`. */
function outboundOverBusySocket(credit: number) {
  /** Lengths of the DATA frames written. */
  const frames: number[] = []
  let pendingBytes = 0
  const write = (bytes: Buffer) => {
    pendingBytes += bytes.length
    new FrameDecoder().push(bytes, frame => frame.type === 'data' && frames.push(frame.bytes.length))
    return false
  }
  const channel = { write, send: ignore, get pendingBytes() { return pendingBytes } } as unknown as Channel
  const link: Link = { channel, epoch: 1, mode: 'current', isRecovery: false, sent: 0, isBlocked: false, batchBytes: 7 * dataPerFrame, isConfirmed: true, mayLeap: false, subscription: undefined }
  const out = new Outbound(new ManualClock(), { link: () => link, onSent: ignore })
  out.acknowledge(0, credit)
  const drain = () => {
    pendingBytes = 0
    link.isBlocked = false
    out.flush()
  }
  return { out, frames, drain }
}

describe('the sending half of a session', () => {
  it('sends whole frames as long as a large flow has more, and its rest once the socket is free', () => {
    const { out, frames, drain } = outboundOverBusySocket(8_192 * kib)
    let told = 0
    for (let index = 0; index < 8; index++) out.write(Buffer.alloc(64 * kib), () => told++)
    expect(told).toBe(1)
    while (out.framed < 8 * 64 * kib) drain()
    const rest = (8 * 64 * kib) % dataPerFrame
    expect(frames.filter(length => length !== dataPerFrame)).toEqual([rest])
    expect(told).toBe(8)
  })

  it('waits for credit rather than send a part of a frame, while an acknowledgement is due', () => {
    const { out, frames, drain } = outboundOverBusySocket(64 * kib)
    out.write(Buffer.alloc(256 * kib), ignore)
    drain()
    expect(frames).toEqual([dataPerFrame, dataPerFrame, dataPerFrame, dataPerFrame])
    out.acknowledge(4 * dataPerFrame, 64 * kib)
    out.flush()
    expect(frames.at(-1)).toBe(64 * kib - 4 * dataPerFrame)
  })

  it('sends what is smaller than a frame at once', async () => {
    const { out, frames } = outboundOverBusySocket(64 * kib)
    out.write(Buffer.alloc(100), ignore)
    out.write(Buffer.alloc(20 * kib), ignore)
    await Promise.resolve()
    expect(frames).toEqual([dataPerFrame, 20 * kib + 100 - dataPerFrame])
  })
})
