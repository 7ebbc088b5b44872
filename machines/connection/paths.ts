import type { Failure } from '../../src/errors/index.js'
import type { StrategyName } from '../../src/protocol/strategy.js'
import type { SearchInput } from '../search/search.types.js'
import type { Strategy } from '../strategies.js'
import { attemptInputOf } from './offers.js'
import type { ConnectionContext, PathRequest } from './connection.types.js'

/** What a search starts from. */
export function searchInputOf(context: ConnectionContext): SearchInput {
  const { attempt, request, target, searches } = context
  const isAnew = searches > 0 && searches % attempt.policy.recovery.lookUpEvery === 0
  return { attempt: attemptInputOf(context), reason: request.reason, strategies: request.strategies, target: isAnew ? undefined : target }
}

/** By which strategies a pipe would go better; none where that is not worth a search, or the application has chosen. */
export function betterStrategies({ role, attempt, elected, isPinned }: ConnectionContext): readonly Strategy[] {
  if (role !== 'initiator' || isPinned || elected?.strategy !== 'relay') return []
  return attempt.strategies.filter(strategy => strategy !== 'relay')
}

export const upgrade = (context: ConnectionContext): PathRequest => ({ reason: 'upgrade', strategies: betterStrategies(context) })

export const recovery = ({ attempt }: ConnectionContext): PathRequest => ({ reason: 'recovery', strategies: attempt.strategies })

/** A peer that names no strategy has lost the path itself. */
export const wanted = (context: ConnectionContext, strategies: readonly StrategyName[]): PathRequest => {
  const usable = context.attempt.strategies.filter(strategy => strategies.includes(strategy))
  return usable.length > 0 ? { reason: 'repath', strategies: usable } : recovery(context)
}

/** The peer will never take the pipe up again. */
export const isHopeless = ({ code }: Failure): boolean => code === 'ERR_SESSION_UNKNOWN'
