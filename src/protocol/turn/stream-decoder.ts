import { ThroughlineError } from '../../errors/index.js'
import { statedLength, stunSizes } from '../stun/message.js'
import { channelHeaderBytes, isChannelData } from './channel.js'

/** Cuts a byte stream into STUN messages and ChannelData (RFC 8656 section 12.5), padding included. Memory: less than `maxBytes` between calls. */
export class TurnStreamDecoder {
  readonly #maxBytes: number
  #carry: Buffer | undefined

  /** @param maxBytes - Of one message; a longer one is malformed. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Hands the bytes of each message that `chunk` completes to `emit`, in order. Throws ERR_MALFORMED, after which the decoder is spent. */
  push(chunk: Buffer, emit: (message: Buffer) => void): void {
    const bytes = this.#carry === undefined ? chunk : Buffer.concat([this.#carry, chunk])
    this.#carry = undefined
    let at = 0
    while (bytes.length - at >= stunSizes.typeAndLength) {
      const length = this.#lengthOf(bytes.subarray(at))
      if (bytes.length - at < length) break
      emit(bytes.subarray(at, at + length))
      at += length
    }
    if (at < bytes.length) this.#carry = Buffer.from(bytes.subarray(at))
  }

  #lengthOf(start: Buffer): number {
    if (!isChannelData(start)) return statedLength(start, this.#maxBytes)
    const length = channelHeaderBytes + ((start.readUInt16BE(2) + 3) & ~3)
    if (length > this.#maxBytes) throw new ThroughlineError('ERR_MALFORMED', `a ChannelData message of ${length} bytes`)
    return length
  }
}
