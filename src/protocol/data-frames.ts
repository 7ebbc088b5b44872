import { frameSizes, frameTypes } from './frames.js'

/** Payload of a DATA frame as we send it: header and payload fill one TLS record of 16 KiB, so the peer gets one piece per record. */
export const dataPerFrame = frameSizes.maxData - frameSizes.dataHeader

/** Node's pool serves smaller buffers cheaper; larger ones would pin a pool slab each. */
const pooledBelow = 4_096

/** Bytes that `length` bytes of payload take as DATA frames. */
export const framedLength = (length: number): number => length + Math.ceil(length / dataPerFrame) * frameSizes.dataHeader

/**
 * Packs the first `length` bytes of `chunks` into DATA frames from `offset` on. One allocation, one copy: the result is
 * both what is written to the socket and what is kept until it is acknowledged. `memory`, of at least `framedLength`
 * bytes, is written to instead of fresh memory where it is given.
 */
export function encodeData(chunks: readonly Uint8Array[], length: number, offset: number, memory?: Buffer): Buffer {
  const size = framedLength(length)
  const out = memory?.subarray(0, size) ?? (size < pooledBelow ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size))
  let at = 0
  let packed = 0
  let frameLeft = 0
  for (const chunk of chunks) {
    let from = 0
    while (from < chunk.length && packed < length) {
      if (frameLeft === 0) {
        frameLeft = Math.min(dataPerFrame, length - packed)
        at = writeHeader(out, at, frameLeft, offset + packed)
      }
      const piece = Math.min(chunk.length - from, frameLeft)
      out.set(piece === chunk.length ? chunk : chunk.subarray(from, from + piece), at)
      at += piece
      from += piece
      packed += piece
      frameLeft -= piece
    }
  }
  return out
}

function writeHeader(out: Buffer, at: number, size: number, offset: number): number {
  out[at] = frameTypes.data
  out.writeUInt16BE(size + frameSizes.offset, at + 1)
  return out.writeUIntBE(offset, at + frameSizes.header, frameSizes.offset)
}

/** The DATA frames of `encoded` (from `encodeData` at `start`) that carry bytes at or after `offset`, cut to begin there. */
export function framesFrom(encoded: Buffer, start: number, offset: number): Buffer {
  if (offset <= start) return encoded
  const perFrame = frameSizes.dataHeader + dataPerFrame
  const index = Math.floor((offset - start) / dataPerFrame)
  const skipped = (offset - start) % dataPerFrame
  const at = index * perFrame
  if (skipped === 0) return encoded.subarray(at)
  const frameEnd = Math.min(at + perFrame, encoded.length)
  const payload = encoded.subarray(at + frameSizes.dataHeader + skipped, frameEnd)
  return Buffer.concat([encodeData([payload], payload.length, offset), encoded.subarray(frameEnd)])
}
