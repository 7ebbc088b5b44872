import { ThroughlineError } from '../errors/index.js'
import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'

/** Size of the header, and of every message we send: no extension, no authenticator. */
export const sntpBytes = 48

/** Values of the mode field (RFC 5905 section 7.3). */
export const sntpModes = { client: 3, server: 4 } as const

/** Value of the leap field of a server that is not synchronised. */
export const leapUnknown = 3

/** A 64-bit timestamp: seconds since 1900 modulo 2^32 in the upper half, their fraction in the lower. 0 says "none". */
export type NtpTime = bigint

/** The header of NTP and SNTP, versions 3 and 4 (RFC 5905 section 7.3, RFC 4330 section 4). */
export interface SntpPacket {
  /** 0 to 3. */
  readonly leap: number
  /** 0 to 7. */
  readonly version: number
  /** 0 to 7. */
  readonly mode: number
  /** 1 = a reference clock, up to 15; 0 in a kiss-o'-death, 16 = not synchronised. */
  readonly stratum: number
  /** Poll interval, a signed power of two in seconds. */
  readonly poll: number
  /** Precision of the sender's clock, a signed power of two in seconds. */
  readonly precision: number
  /** Round trip to the reference clock, ms, below 65,536 s. */
  readonly rootDelayMs: number
  /** How far the sender may be off the reference clock beside that, ms, below 65,536 s. */
  readonly rootDispersionMs: number
  /** 4 bytes: the source of a server, or the code of a kiss-o'-death, in ASCII. */
  readonly referenceId: Uint8Array
  readonly referenceTime: NtpTime
  readonly originTime: NtpTime
  readonly receiveTime: NtpTime
  readonly transmitTime: NtpTime
}

/** Writes a header of 48 bytes; throws ERR_MALFORMED for values that do not fit their field. */
export function encodeSntp(packet: SntpPacket): Buffer {
  const writer = new ByteWriter(sntpBytes)
    .u8((packet.leap << 6) | (packet.version << 3) | packet.mode)
    .u8(packet.stratum)
    .u8(packet.poll & 0xff)
    .u8(packet.precision & 0xff)
    .u32(toShort(packet.rootDelayMs))
    .u32(toShort(packet.rootDispersionMs))
    .bytes(packet.referenceId)
  for (const time of [packet.referenceTime, packet.originTime, packet.receiveTime, packet.transmitTime]) {
    writer.u32(Number(time >> 32n)).u32(Number(time & 0xffff_ffffn))
  }
  return writer.finish()
}

/** Reads a header; what follows it (extensions, an authenticator) is ignored. Throws ERR_MALFORMED for less than 48 bytes. */
export function decodeSntp(bytes: Uint8Array): SntpPacket {
  const reader = new ByteReader(bytes)
  const first = reader.u8()
  return {
    leap: first >> 6,
    version: (first >> 3) & 7,
    mode: first & 7,
    stratum: reader.u8(),
    poll: signed(reader.u8()),
    precision: signed(reader.u8()),
    rootDelayMs: fromShort(reader.u32()),
    rootDispersionMs: fromShort(reader.u32()),
    referenceId: Uint8Array.from(reader.bytes(4)),
    referenceTime: readTime(reader),
    originTime: readTime(reader),
    receiveTime: readTime(reader),
    transmitTime: readTime(reader),
  }
}

/**
 * A request of version 4 that tells nothing about this machine: everything is zero but the transmit timestamp, which is
 * `nonce`, 64 random bits that the reply must repeat. Throws ERR_MALFORMED for another size.
 */
export function encodeSntpRequest(nonce: Uint8Array): Buffer {
  if (nonce.length !== 8) throw new ThroughlineError('ERR_MALFORMED', `A timestamp has 8 bytes, not ${nonce.length}.`)
  const bytes = Buffer.alloc(sntpBytes)
  bytes[0] = (4 << 3) | sntpModes.client
  bytes.set(nonce, sntpBytes - nonce.length)
  return bytes
}

/** The timestamp of a moment, ms of the Unix epoch, in whatever era it falls. */
export function toNtpTime(unixMs: number): NtpTime {
  const wholeSeconds = Math.floor(unixMs / 1_000)
  const fraction = Math.floor(((unixMs - wholeSeconds * 1_000) / 1_000) * 2 ** 32)
  // the fraction may round up to a whole second
  return BigInt.asUintN(64, (BigInt(wholeSeconds + epochSeconds) << 32n) + BigInt(fraction))
}

/**
 * The moment of a timestamp, ms of the Unix epoch to about 0.2 µs, in the era that puts it nearest to `nearMs`: right
 * within 68 years of it, also across 2036 (RFC 4330 section 3).
 */
export function fromNtpTime(time: NtpTime, nearMs: number): number {
  const seconds = Number(time >> 32n) - epochSeconds
  const era = Math.round((nearMs / 1_000 - seconds) / 2 ** 32)
  return (seconds + era * 2 ** 32) * 1_000 + (Number(time & 0xffff_ffffn) * 1_000) / 2 ** 32
}

/** From 1900 to 1970. */
const epochSeconds = 2_208_988_800

const readTime = (reader: ByteReader): NtpTime => reader.bytes(8).readBigUInt64BE()

const signed = (byte: number): number => (byte << 24) >> 24

/** The short format: seconds with 16 bits of fraction. */
const toShort = (ms: number): number => Math.round((ms * 2 ** 16) / 1_000)
const fromShort = (value: number): number => (value * 1_000) / 2 ** 16
