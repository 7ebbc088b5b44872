import type { AttemptInput } from '../attempt/attempt.types.js'
import type { ConnectionPolicy } from '../shared/policy.types.js'
import type { SearchContext } from './search.types.js'

/** What the attempt of a search starts from. */
export function plannedAttempt({ attempt, reason, strategies, planned }: SearchContext): AttemptInput {
  if (planned === undefined) return { ...attempt, reason, policy: policyFor(reason, attempt.policy) }
  const { target: _, ...dial } = attempt
  const { attemptId, startedAtMs, target } = planned
  return {
    ...dial, reason, strategies, mode: 'race', attemptId, startedAtMs, timeoutMs: timeoutFor(reason, attempt, target !== undefined), policy: policyFor(reason, attempt.policy),
    ...(target !== undefined && { target }),
  }
}

function timeoutFor(reason: AttemptInput['reason'], { timeoutMs, policy: { recovery } }: AttemptInput, isKnown: boolean): number {
  if (reason !== 'recovery') return timeoutMs
  return Math.min(timeoutMs, isKnown ? recovery.attemptTimeoutMs : recovery.lookUpTimeoutMs)
}

/** While a pipe stands still, what hangs is likely to hang for good: fresh dials and offers find what has come back (DESIGN.md 6). */
function policyFor(reason: AttemptInput['reason'], policy: ConnectionPolicy): ConnectionPolicy {
  if (reason !== 'recovery') return policy
  const { dialTimeoutMs, ackTimeoutMs, answerTimeoutMs, inboundTimeoutMs, punchTimeoutMs } = policy.recovery
  return {
    ...policy,
    dial: { ...policy.dial, timeoutMs: dialTimeoutMs },
    attempt: { ...policy.attempt, ackTimeoutMs, answerTimeoutMs, inboundTimeoutMs },
    punch: { ...policy.punch, timeoutMs: punchTimeoutMs },
  }
}
