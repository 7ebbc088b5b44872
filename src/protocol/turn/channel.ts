import { ThroughlineError } from '../../errors/index.js'
import type { AttributeCodec } from '../stun/attribute.js'

/** Channel numbers a client may use (RFC 8656 section 12). */
export const channelNumbers = { first: 0x4000, last: 0x4fff } as const

/** Number and length of a ChannelData message. */
export const channelHeaderBytes = 4

/** Whether received bytes are ChannelData: STUN messages begin with two zero bits (RFC 8656 section 12). */
export const isChannelData = (bytes: Buffer): boolean => bytes.length >= channelHeaderBytes && isChannel(bytes.readUInt16BE())

const isChannel = (number: number): boolean => number >= channelNumbers.first && number <= channelNumbers.last

/** The number of a channel in a ChannelBind (RFC 8656 section 18.1). */
export const channelNumber: AttributeCodec<number> = {
  type: 0x000c,
  encode: number => Buffer.from([number >> 8, number & 0xff, 0, 0]),
  decode(bytes) {
    if (bytes.length !== 4 || !isChannel(bytes.readUInt16BE())) throw new ThroughlineError('ERR_MALFORMED', 'CHANNEL-NUMBER has no valid number')
    return bytes.readUInt16BE()
  },
}

/** A datagram for the peer a channel is bound to; over TCP and TLS padded to four bytes (RFC 8656 section 12.5). */
export function encodeChannelData(channel: number, bytes: Uint8Array, isStream: boolean): Buffer {
  const message = Buffer.alloc(channelHeaderBytes + (isStream ? (bytes.length + 3) & ~3 : bytes.length))
  message.writeUInt16BE(channel)
  message.writeUInt16BE(bytes.length, 2)
  message.set(bytes, channelHeaderBytes)
  return message
}

/** Reads a ChannelData message, padded or not. Throws ERR_MALFORMED. */
export function decodeChannelData(message: Buffer): { readonly channel: number; readonly bytes: Buffer } {
  if (!isChannelData(message)) throw new ThroughlineError('ERR_MALFORMED', 'these bytes are no ChannelData')
  const bytes = message.subarray(channelHeaderBytes, channelHeaderBytes + message.readUInt16BE(2))
  if (bytes.length !== message.readUInt16BE(2)) throw new ThroughlineError('ERR_MALFORMED', 'ChannelData is cut off')
  return { channel: message.readUInt16BE(), bytes }
}
