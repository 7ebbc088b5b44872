import { encodeSntp, toNtpTime, type NtpTime, type SntpPacket } from '../../src/protocol/sntp.js'

/** One simulated exchange; all times in ms, all optional but the nonce. */
export interface SimulatedExchange {
  readonly nonce: NtpTime
  /** When it begins, by true time. */
  readonly atMs?: number
  /** True time minus the client's clock. */
  readonly trueOffsetMs?: number
  /** The server's clock minus true time. */
  readonly lieMs?: number
  readonly forthMs?: number
  readonly heldMs?: number
  readonly backMs?: number
  readonly fields?: Partial<SntpPacket>
}

export const epochMs = Date.UTC(2026, 10, 20, 12)

/** What a server answers, and when the client sent and got it by its own clock. */
export function simulateExchange({ nonce, atMs = epochMs, trueOffsetMs = 0, lieMs = 0, forthMs = 20, heldMs = 0.1, backMs = 20, fields = {} }: SimulatedExchange) {
  const arrivedMs = atMs + forthMs
  const packet: SntpPacket = {
    leap: 0, version: 4, mode: 4, stratum: 2, poll: 0, precision: -23, rootDelayMs: 0, rootDispersionMs: 0, referenceId: Buffer.from('TEST'),
    referenceTime: toNtpTime(atMs), originTime: nonce, receiveTime: toNtpTime(arrivedMs + lieMs), transmitTime: toNtpTime(arrivedMs + heldMs + lieMs), ...fields,
  }
  return { bytes: encodeSntp(packet), sentAtMs: atMs - trueOffsetMs, receivedAtMs: arrivedMs + heldMs + backMs - trueOffsetMs }
}
