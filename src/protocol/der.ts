/** One DER element within a larger buffer: its tag, and where its content starts and ends. */
export interface DerElement {
  readonly tag: number
  readonly start: number
  readonly end: number
}

/** Writes one DER element of up to 65,535 bytes of content. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

/**
 * Finds the element that starts at `at`. Undefined unless it lies before `limit`, and its tag and length are single-byte
 * respectively minimal DER of at most 65,535 bytes.
 */
export function readDerElement(bytes: Uint8Array, at: number, limit: number): DerElement | undefined {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined
  const sizeBytes = first < 0x80 ? 0 : first - 0x80
  const start = at + 2 + sizeBytes
  // 0x80 is BER's indefinite length.
  if (first === 0x80 || sizeBytes > 2 || start > limit) return undefined
  const length = sizeBytes === 0 ? first : sizeBytes === 1 ? (bytes[at + 2] ?? 0) : (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0)
  const isMinimal = sizeBytes === 0 || length >= (sizeBytes === 1 ? 0x80 : 0x100)
  return isMinimal && start + length <= limit ? { tag, start, end: start + length } : undefined
}
