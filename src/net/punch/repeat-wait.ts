import { defaults } from '../../config/defaults.js'

const { repeatsPerSecond, repeatBurst, repeatPatienceMs, maxRepeatWaitMs } = defaults.punch

/** What the ports of a volley that are sent from again and again have seen. */
export interface Refusals {
  readonly count: number
  /** Since the first. */
  readonly sinceMs: number
  readonly ports: number
}

/**
 * How long a refused port waits before it sends again: not at all the first time, then 0 or 1 ms, by chance. A NAT lets
 * in what comes while a SYN of ours is unanswered, so the peer's SYN gets through unless it comes between refusal and
 * repetition; chance sees to it that it does not always. (Waits of up to half a round trip leave it closed for a
 * fifth of the time.) Where the refusal was ICMP, that moment is fatal: Linux' conntrack then notes the peer's
 * SYN beside our refused one, and drops our next. Longer where many ports send, and where refusals go on and on.
 * Whole ms, as timers are.
 */
export function repeatWaitMs({ count, sinceMs, ports }: Refusals, random: () => number): number {
  if (count === 1) return 0
  const isAhead = count - repeatBurst > (sinceMs * repeatsPerSecond) / 1_000
  const paceMs = isAhead ? (2 * ports * 1_000) / repeatsPerSecond : 0
  const wearyMs = Math.min(maxRepeatWaitMs, (sinceMs - repeatPatienceMs) / 4)
  return Math.floor(random() * Math.max(2, paceMs, wearyMs))
}
