import { ThroughlineError } from '../errors/index.js'

/**
 * Writes big-endian values one after the other; the counterpart of `ByteReader`. Every method returns the writer and
 * throws ERR_MALFORMED when the value does not fit its field.
 */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  /** @param capacity - Bytes to set aside at first; the writer grows as needed. */
  constructor(capacity = 64) {
    this.#buffer = Buffer.allocUnsafe(Math.max(capacity, 1))
  }

  u8(value: number): this {
    return this.#unsigned(value, 1)
  }

  u16(value: number): this {
    return this.#unsigned(value, 2)
  }

  u32(value: number): this {
    return this.#unsigned(value, 4)
  }

  u48(value: number): this {
    return this.#unsigned(value, 6)
  }

  i16(value: number): this {
    if (!Number.isInteger(value) || value < -0x8000 || value > 0x7fff) throw misfit(value, 2)
    const at = this.#reserve(2)
    this.#buffer.writeInt16BE(value, at)
    return this
  }

  /** Copies bytes as they are. */
  bytes(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length)
    this.#buffer.set(bytes, at)
    return this
  }

  /** A `u8` length and the bytes. */
  bytes8(bytes: Uint8Array): this {
    return this.u8(bytes.length).bytes(bytes)
  }

  /** A `u16` length and the bytes. */
  bytes16(bytes: Uint8Array): this {
    return this.u16(bytes.length).bytes(bytes)
  }

  /** A `u8` length in bytes and the text in UTF-8. */
  str8(text: string): this {
    return this.bytes8(Buffer.from(text, 'utf8'))
  }

  /** What was written. The writer must not be used afterwards: the bytes are handed over, not copied. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #unsigned(value: number, size: 1 | 2 | 4 | 6): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) throw misfit(value, size)
    const at = this.#reserve(size)
    this.#buffer.writeUIntBE(value, at, size)
    return this
  }

  // Replaces the buffer when it is full: call it before `#buffer` is read.
  #reserve(size: number): number {
    const start = this.#length
    this.#length += size
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, start)
      this.#buffer = larger
    }
    return start
  }
}

const misfit = (value: number, size: number): ThroughlineError =>
  new ThroughlineError('ERR_MALFORMED', `${value} does not fit a field of ${size} bytes.`)
