import { driftMs, overlap, toInterval, toOffset, type ClockOffset } from './clock-estimate.js'

/**
 * The four moments of a message and its answer, each by the clock of the side where it happened: own wall clock and the
 * peer's, ms of the Unix epoch. For the initiator: offer sent (the time of its letter), offer received (`receivedAtMs` of
 * the answer), answer sent (the time of its letter), answer received.
 */
export interface ExchangeStamps {
  readonly sentMs: number
  readonly peerReceivedMs: number
  readonly peerSentMs: number
  readonly receivedMs: number
}

/** The wire drops fractions of its times (protocol 4.3): each was up to this much later. */
const wireResolutionMs = 1

/**
 * What to add to the own wall clock to get the peer's, from one exchange: nothing arrives before it was sent, so the
 * truth is within half the round trip, whatever share of it each way took. Undefined for stamps no such exchange can have.
 */
export function mutualOffset({ sentMs, peerReceivedMs, peerSentMs, receivedMs }: ExchangeStamps): ClockOffset | undefined {
  const lowMs = peerSentMs - receivedMs
  const highMs = peerReceivedMs + wireResolutionMs - sentMs
  if (!(peerReceivedMs <= peerSentMs && sentMs <= receivedMs && lowMs <= highMs)) return undefined
  const { offsetMs, uncertaintyMs } = toOffset({ lowMs, highMs })
  return { offsetMs, uncertaintyMs: uncertaintyMs + 2 * driftMs(receivedMs - sentMs) }
}

/** What both sides know of true time, as offsets to their own wall clocks. */
export interface BothClocks {
  readonly own: ClockOffset
  readonly peer: ClockOffset
}

/**
 * The offset to the peer's wall clock from an exchange and from both sides' knowledge of true time: where the two agree,
 * their intersection, which is at least as sure as the surer one. Where they contradict each other the exchange counts: it
 * relies on no third party.
 */
export function combineOffsets(byExchange: ClockOffset, clocks: BothClocks | undefined): ClockOffset {
  if (clocks === undefined) return byExchange
  const common = overlap(toInterval(byExchange), toInterval(offsetByTrueTime(clocks)))
  return common === undefined ? byExchange : toOffset(common)
}

/** own + own.offset = true time = peer's + peer.offset; both may be wrong in opposite directions. */
const offsetByTrueTime = ({ own, peer }: BothClocks): ClockOffset =>
  ({ offsetMs: own.offsetMs - peer.offsetMs, uncertaintyMs: own.uncertaintyMs + peer.uncertaintyMs })
