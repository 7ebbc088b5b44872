import type { StrategyInput } from '../shared/strategy.types.js'
import type { Strategy } from '../strategies.js'
import type { AttemptContext, AttemptInput } from './attempt.types.js'

/** What is tried together: everything in a race, one after the other in a sequence. A responder does what the offer says. */
export const roundsOf = ({ strategies, mode, role }: AttemptInput): readonly (readonly Strategy[])[] =>
  mode === 'race' || role === 'responder' ? [strategies] : strategies.map(strategy => [strategy])

/** The strategies of the current round. */
export const strategiesOf = (context: AttemptContext): readonly Strategy[] => roundsOf(context)[context.round] ?? []

/** What a responder can add to: a relay that neither side has leads nowhere. */
export const takenPartIn = ({ strategies, relay, known }: AttemptContext): readonly Strategy[] =>
  relay?.length === 0 && known?.endpoints?.relay.length === 0 ? strategies.filter(strategy => strategy !== 'relay') : strategies

/** What a strategy of the round is given. */
export function strategyInput(context: AttemptContext, strategy: Strategy): StrategyInput {
  const { role, sessionKey, sessionId, attemptId, known, policy } = context
  const awaitsAnswer = role === 'initiator' && (known?.brokers.length ?? 0) > 0
  return { strategy, role, peerId: known?.peerId ?? '', sessionKey, sessionId, attemptId, endpoints: known?.endpoints, beside: strategiesOf(context), awaitsAnswer, policy }
}
