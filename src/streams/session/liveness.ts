import { defaults } from '../../config/defaults.js'

const policy = defaults.liveness

/** What `nextStep` looks at. Times in ms of one monotonic clock. */
export interface LivenessFacts {
  readonly nowMs: number
  /** Last frame of any kind from the peer. */
  readonly heardAtMs: number
  /** When the first PING since then went out; undefined when none is waiting. */
  readonly askedAtMs: number | undefined
  /** The silence since then was told. */
  readonly isSuspected: boolean
  readonly lastPingAtMs: number
  readonly dataInFlight: boolean
  readonly dataReceivedAtMs: number
  readonly rttMs: number
}

/** What to do about the peer's silence, and when to look again. */
export type LivenessStep = { readonly do: 'wait' | 'ping' | 'suspect'; readonly againInMs: number } | { readonly do: 'giveUp' }

/** Silence rules of protocol 5: PING soon while bytes are under way, seldom while idle; suspect the path when none is answered, give it up after 15 s. */
export function nextStep(facts: LivenessFacts): LivenessStep {
  const { nowMs, heardAtMs, askedAtMs, lastPingAtMs } = facts
  if (askedAtMs !== undefined) {
    const givesUpIn = askedAtMs + policy.lostAfterMs - nowMs
    if (givesUpIn <= 0) return { do: 'giveUp' }
    const suspectIn = facts.isSuspected ? Infinity : askedAtMs + suspectAfter(facts) - nowMs
    const repeatIn = lastPingAtMs + policy.repeatMs - nowMs
    if (suspectIn <= 0) return { do: 'suspect', againInMs: Math.max(0, Math.min(repeatIn, givesUpIn)) }
    const nextIn = Math.min(suspectIn, givesUpIn)
    return repeatIn <= 0 ? { do: 'ping', againInMs: Math.min(policy.repeatMs, nextIn) } : { do: 'wait', againInMs: Math.min(repeatIn, nextIn) }
  }
  const pingIn = heardAtMs + pingAfter(facts) - nowMs
  return pingIn <= 0 ? { do: 'ping', againInMs: Math.min(policy.repeatMs, facts.isSuspected ? Infinity : suspectAfter(facts)) } : { do: 'wait', againInMs: pingIn }
}

/** How long an answer may take before the path is suspected. */
const suspectAfter = ({ rttMs }: LivenessFacts): number => Math.max(policy.suspectMinMs, policy.suspectRttFactor * rttMs)

/** How long the peer may be silent before it is asked. */
export function pingAfter({ nowMs, dataInFlight, dataReceivedAtMs, rttMs }: LivenessFacts): number {
  const isActive = dataInFlight || nowMs - dataReceivedAtMs < policy.activeMs
  return isActive ? Math.max(policy.activePingMinMs, policy.activePingRttFactor * rttMs) : policy.idlePingMs
}
