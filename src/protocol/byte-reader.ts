import { ThroughlineError } from '../errors/index.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads strict UTF-8; throws ERR_MALFORMED for anything else. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new ThroughlineError('ERR_MALFORMED', 'A text is not valid UTF-8.', { cause })
  }
}

/**
 * Reads big-endian values one after the other. Every method throws ERR_MALFORMED when fewer bytes remain than it needs;
 * byte strings are views into the source, not copies.
 */
export class ByteReader {
  readonly #source: Buffer
  #at = 0

  constructor(source: Uint8Array) {
    this.#source = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#source.length - this.#at
  }

  u8(): number {
    return this.#source.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#source.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#source.readUInt32BE(this.#take(4))
  }

  u48(): number {
    return this.#source.readUIntBE(this.#take(6), 6)
  }

  i16(): number {
    return this.#source.readInt16BE(this.#take(2))
  }

  /** The next `length` bytes. */
  bytes(length: number): Buffer {
    const start = this.#take(length)
    return this.#source.subarray(start, start + length)
  }

  /** A byte string behind its `u8` length. */
  bytes8(): Buffer {
    return this.bytes(this.u8())
  }

  /** A byte string behind its `u16` length. */
  bytes16(): Buffer {
    return this.bytes(this.u16())
  }

  /** A UTF-8 text behind its `u8` length in bytes. */
  str8(): string {
    return decodeUtf8(this.bytes8())
  }

  /** Throws ERR_MALFORMED unless everything was read. */
  end(): void {
    if (this.remaining > 0) throw new ThroughlineError('ERR_MALFORMED', `${this.remaining} bytes follow where none belong.`)
  }

  #take(length: number): number {
    if (length > this.remaining) {
      throw new ThroughlineError('ERR_MALFORMED', `${length} bytes are due and ${this.remaining} remain.`)
    }
    const start = this.#at
    this.#at += length
    return start
  }
}
