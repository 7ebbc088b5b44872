import type { AttemptInput } from '../attempt/attempt.types.js'
import type { ConnectionContext, ForAttempt, ReceivedOffer } from './connection.types.js'

/** What a peer asks for and may use. Authorisation is asked once: its answer holds for every offer of the session. */
const strategiesOf = ({ allowed, attempt }: ConnectionContext, offer: ReceivedOffer | undefined) =>
  (offer?.strategies ?? attempt.strategies).filter(strategy => allowed.includes(strategy))

/** Tells whether anything of an offer may be used. */
export const mayUse = (context: ConnectionContext, offer: ReceivedOffer | undefined): boolean => strategiesOf(context, offer).length > 0

/** What the attempt starts from: the dial as it is, or the latest offer within what is allowed. */
export function attemptInputOf(context: ConnectionContext): AttemptInput {
  const { role, attempt, offer } = context
  if (role === 'initiator') return attempt
  return { ...attempt, strategies: strategiesOf(context, offer), ...(offer !== undefined && { offerId: offer.offerId, attemptId: offer.attemptId, target: offer.target }) }
}

/** A later offer of the same attempt, within what is allowed. */
export const repeatedOffer = (context: ConnectionContext, offer: ReceivedOffer): ForAttempt => ({
  type: 'offer.repeated', offerId: offer.offerId, strategies: strategiesOf(context, offer), target: offer.target,
})
