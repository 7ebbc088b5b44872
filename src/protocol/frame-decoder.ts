import { ThroughlineError } from '../errors/index.js'
import { decodeControl, frameSizes, frameTypes, type Frame } from './frames.js'

/**
 * Cuts a byte stream into frames (protocol 5). DATA is passed on piece by piece as views of what came in; everything
 * else is gathered, at most 1 KiB. Memory: less than one control frame between calls.
 */
export class FrameDecoder {
  #carry: Buffer | undefined
  #dataLeft = 0
  #dataOffset = 0

  /** Hands each frame in `chunk` to `emit`, in order. Throws ERR_PROTOCOL_VIOLATION, after which the decoder is spent. */
  push(chunk: Buffer, emit: (frame: Frame) => void): void {
    const bytes = this.#carry === undefined ? chunk : Buffer.concat([this.#carry, chunk])
    this.#carry = undefined
    let at = 0
    while (at < bytes.length) {
      const used = this.#dataLeft > 0 ? this.#takeData(bytes, at, emit) : this.#takeFrame(bytes, at, emit)
      if (used === 0) {
        this.#carry = Buffer.from(bytes.subarray(at))
        return
      }
      at += used
    }
  }

  #takeData(bytes: Buffer, at: number, emit: (frame: Frame) => void): number {
    const piece = bytes.subarray(at, at + this.#dataLeft)
    const offset = this.#dataOffset
    this.#dataLeft -= piece.length
    this.#dataOffset += piece.length
    emit({ type: 'data', offset, bytes: piece })
    return piece.length
  }

  /** Returns how many bytes were used; 0 when the frame is not complete yet. */
  #takeFrame(bytes: Buffer, at: number, emit: (frame: Frame) => void): number {
    const available = bytes.length - at
    if (available < frameSizes.header) return 0
    const type = bytes.readUInt8(at)
    const length = bytes.readUInt16BE(at + 1)
    if (type === frameTypes.data) {
      if (length <= frameSizes.offset || length > frameSizes.offset + frameSizes.maxData) throw violation(`a DATA frame of ${length} bytes`)
      if (available < frameSizes.dataHeader) return 0
      this.#dataOffset = bytes.readUIntBE(at + frameSizes.header, frameSizes.offset)
      this.#dataLeft = length - frameSizes.offset
      return frameSizes.dataHeader
    }
    if (length > frameSizes.maxControl) throw violation(`a control frame of ${length} bytes`)
    if (available < frameSizes.header + length) return 0
    const body = bytes.subarray(at + frameSizes.header, at + frameSizes.header + length)
    const frame = decodeControl(type, body)
    if (frame !== undefined) emit(frame)
    return frameSizes.header + length
  }
}

const violation = (message: string) => new ThroughlineError('ERR_PROTOCOL_VIOLATION', message)
