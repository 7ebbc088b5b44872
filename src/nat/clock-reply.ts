import { defaults } from '../config/defaults.js'
import type { Failure } from '../errors/index.js'
import { decodeSntp, fromNtpTime, leapUnknown, sntpBytes, sntpModes, type NtpTime, type SntpPacket } from '../protocol/sntp.js'

/** A request that is on its way. */
export interface SntpRequest {
  /** Its transmit timestamp: random, not the time. */
  readonly nonce: NtpTime
  /** When it was sent, by this node's wall clock. */
  readonly sentAtMs: number
}

/** What one exchange with a time server tells. */
export interface TimeReading {
  /** What to add to this node's wall clock to get the server's, if both ways took equally long. */
  readonly offsetMs: number
  /** Time on the network, both ways together: `offsetMs` is wrong by at most half of it. */
  readonly delayMs: number
  /** How far the server may itself be off true time, by its own word; what timestamps do not resolve included. */
  readonly rootDistanceMs: number
}

export type SntpOutcome =
  | { readonly ok: true; readonly reading: TimeReading }
  /** `isFinal`: the server wants never to be asked again. */
  | { readonly ok: false; readonly failure: Failure; readonly isFinal: boolean }

/**
 * Reads what a time server sent, by the checks of RFC 4330 section 5 and RFC 5905 sections 7.4 and 8. Undefined for
 * anything that does not answer one of the requests: whoever did not see them cannot know their 64 random bits.
 */
export function readSntpReply(bytes: Uint8Array, requests: readonly SntpRequest[], receivedAtMs: number): SntpOutcome | undefined {
  if (bytes.length < sntpBytes) return undefined
  const reply = decodeSntp(bytes)
  const request = requests.find(({ nonce }) => nonce === reply.originTime)
  if (request === undefined || reply.mode !== sntpModes.server || !versions.includes(reply.version)) return undefined
  if (reply.stratum === 0) return refusal(reply)
  const fault = faultOf(reply)
  return fault === undefined ? measure(reply, request, receivedAtMs) : unfit(fault)
}

/** A server answers in the version it was asked in, 4; some say 3, whose header is the same. */
const versions: readonly number[] = [3, 4]

/** RFC 5905 section 7.4: after these two a client must not come back. */
const finalKisses: readonly string[] = ['DENY', 'RSTR']

/** A clock that was never set says 1970; timestamps are taken to be nearer to this than that (see `fromNtpTime`). */
const notBeforeMs = Date.UTC(2024, 0, 1)

function refusal({ referenceId }: SntpPacket): SntpOutcome {
  const kiss = String.fromCharCode(...referenceId).replace(/[^\x20-\x7e]/g, '?')
  if (!finalKisses.includes(kiss) && kiss !== 'RATE') return unfit(`it has no time to give (${kiss})`)
  const message = kiss === 'RATE' ? 'it wants to be asked less often (RATE)' : `it refuses to serve this machine (${kiss})`
  return { ok: false, failure: { code: 'ERR_TIME_SERVER_REFUSED', message }, isFinal: kiss !== 'RATE' }
}

const unfit = (message: string): SntpOutcome => ({ ok: false, failure: { code: 'ERR_TIME_SERVER_UNFIT', message }, isFinal: false })

/** Why the server's own values are of no use. */
function faultOf(reply: SntpPacket): string | undefined {
  if (reply.leap === leapUnknown || reply.stratum > 15) return 'it is not synchronised itself'
  if (reply.receiveTime === 0n || reply.transmitTime === 0n) return 'a timestamp is missing'
  const distanceMs = rootDistanceOf(reply)
  return distanceMs > defaults.clock.maxRootDistanceMs ? `it may be ${Math.round(distanceMs)} ms off true time by its own word` : undefined
}

const precisionOf = ({ precision }: SntpPacket): number => 1_000 * 2 ** precision

/** What our own timestamps may be off: a double resolves 0.25 µs of the Unix epoch. */
const ownPrecisionMs = 0.001

/** RFC 5905 section 11.2: what the server may be off its source, and what both sides' timestamps may be off. */
const rootDistanceOf = (reply: SntpPacket): number => reply.rootDelayMs / 2 + reply.rootDispersionMs + precisionOf(reply) + ownPrecisionMs

function measure(reply: SntpPacket, { sentAtMs }: SntpRequest, receivedAtMs: number): SntpOutcome {
  const nearMs = Math.max(sentAtMs, notBeforeMs)
  const serverReceivedMs = fromNtpTime(reply.receiveTime, nearMs)
  const serverSentMs = fromNtpTime(reply.transmitTime, nearMs)
  const delayMs = receivedAtMs - sentAtMs - (serverSentMs - serverReceivedMs)
  if (serverSentMs < serverReceivedMs) return unfit('it answered before it was asked')
  // a coarse clock may count a little too much; the root distance has room for it
  if (delayMs < -2 * (precisionOf(reply) + ownPrecisionMs)) return unfit('it says to have taken longer than the whole exchange')
  return {
    ok: true,
    reading: {
      offsetMs: (serverReceivedMs - sentAtMs + (serverSentMs - receivedAtMs)) / 2,
      delayMs: Math.max(delayMs, 0),
      rootDistanceMs: rootDistanceOf(reply),
    },
  }
}
