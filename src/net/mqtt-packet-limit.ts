/** Packet types as in the high nibble of the first byte (MQTT 3.1.1 section 2.2.1). */
const publishType = 3

/**
 * Follows packet boundaries in an MQTT byte stream, however it is cut into chunks, and bounds what a parser behind it
 * must buffer: 3.1.1 has no way to tell the other side a limit, and a packet may claim 256 MiB.
 * A longer PUBLISH is cut to the limit when `cutsPublish`, so that it can still be acknowledged (a receiver that
 * drops the connection instead could be kept offline by anybody who knows its topic); else, and for every other type,
 * `push` throws a RangeError.
 */
export class MqttPacketLimit {
  readonly #maxBodyBytes: number
  readonly #cutsPublish: boolean
  /** Bytes of a fixed header that has not ended: at most 5. */
  #header: number[] = []
  #passBytes = 0
  #dropBytes = 0

  constructor({ maxBodyBytes, cutsPublish }: { readonly maxBodyBytes: number; readonly cutsPublish: boolean }) {
    this.#maxBodyBytes = maxBodyBytes
    this.#cutsPublish = cutsPublish
  }

  /** Takes what arrived, returns what may go on. */
  push(chunk: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = []
    let at = 0
    while (at < chunk.length) {
      if (this.#passBytes > 0) {
        const part = chunk.subarray(at, at + this.#passBytes)
        parts.push(part)
        this.#passBytes -= part.length
        at += part.length
      } else if (this.#dropBytes > 0) {
        const dropped = Math.min(this.#dropBytes, chunk.length - at)
        this.#dropBytes -= dropped
        at += dropped
      } else {
        const header = this.#readHeader(chunk[at] ?? 0)
        if (header !== undefined) parts.push(header)
        at += 1
      }
    }
    return Buffer.concat(parts)
  }

  /** Returns the header to pass on once it is complete. */
  #readHeader(byte: number): Uint8Array | undefined {
    this.#header.push(byte)
    const [first = 0, ...lengthBytes] = this.#header
    if (lengthBytes.length === 0 || byte >= 128) {
      if (lengthBytes.length === 4) throw new RangeError('an MQTT length has more than four bytes')
      return undefined
    }
    const bodyBytes = lengthBytes.reduceRight((sum, value) => sum * 128 + (value & 127), 0)
    this.#header = []
    this.#passBytes = Math.min(bodyBytes, this.#maxBodyBytes)
    this.#dropBytes = bodyBytes - this.#passBytes
    if (this.#dropBytes > 0 && !(this.#cutsPublish && first >> 4 === publishType)) {
      throw new RangeError(`an MQTT packet of ${bodyBytes} bytes is over the limit of ${this.#maxBodyBytes}`)
    }
    return Uint8Array.of(first, ...encodeLength(this.#passBytes))
  }
}

/** Variable-length "remaining length" (MQTT 3.1.1 section 2.2.3). */
function encodeLength(length: number): number[] {
  return length < 128 ? [length] : [(length % 128) | 128, ...encodeLength(Math.floor(length / 128))]
}
