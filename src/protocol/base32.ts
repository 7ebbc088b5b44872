const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const valueOf = new Map([...alphabet].map((character, value) => [character, value]))

/** Writes bytes in the base32 of RFC 4648 section 6, lower case, without padding. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let pending = 0
  let bits = 0
  for (const byte of bytes) {
    pending = (pending << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((pending >> bits) & 31)
    }
    pending &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + alphabet.charAt((pending << (5 - bits)) & 31)
}

/**
 * Reads lower-case base32 without padding. Undefined for any other character, for lengths no byte string has and for
 * unused trailing bits that are not zero, so that each byte string has one text.
 */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let pending = 0
  let bits = 0
  let at = 0
  for (const character of text) {
    const value = valueOf.get(character)
    if (value === undefined) return undefined
    pending = (pending << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = pending >> bits
    }
    pending &= (1 << bits) - 1
  }
  // Five or more left-over bits are a whole character that carries nothing.
  return bits >= 5 || pending !== 0 ? undefined : bytes
}
