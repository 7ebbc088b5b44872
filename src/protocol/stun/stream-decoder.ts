import { statedLength, stunSizes } from './message.js'

/** Cuts a byte stream into STUN messages (RFC 8489 section 6.2.2). Memory: less than one message, `stun.maxMessageBytes`, between calls. */
export class StunStreamDecoder {
  #carry: Buffer | undefined

  /** Hands the bytes of each message that `chunk` completes to `emit`, in order. Throws ERR_MALFORMED, after which the decoder is spent. */
  push(chunk: Buffer, emit: (message: Buffer) => void): void {
    const bytes = this.#carry === undefined ? chunk : Buffer.concat([this.#carry, chunk])
    this.#carry = undefined
    let at = 0
    while (bytes.length - at >= stunSizes.typeAndLength) {
      const length = statedLength(bytes.subarray(at))
      if (bytes.length - at < length) break
      emit(bytes.subarray(at, at + length))
      at += length
    }
    if (at < bytes.length) this.#carry = Buffer.from(bytes.subarray(at))
  }
}
