import type { Strategy } from '../strategies.js'
import type { AttemptContext, AttemptInput } from './attempt.types.js'

/** What is tried together: everything in a race, one after the other in a sequence. A responder does what the offer says. */
export const roundsOf = ({ strategies, mode, role }: AttemptInput): readonly (readonly Strategy[])[] =>
  mode === 'race' || role === 'responder' ? [strategies] : strategies.map(strategy => [strategy])

/** The strategies of the current round. */
export const strategiesOf = (context: AttemptContext): readonly Strategy[] => roundsOf(context)[context.round] ?? []
