import { defaults } from '../../config/defaults.js'
import type { TurnVerdict } from '../../protocol/turn/exchange.js'
import type { TurnRealm } from '../../protocol/turn/long-term.js'
import { relayError, relayRefusal } from './turn-errors.js'

/** The round a reply belongs to. */
export interface Round {
  /** From 1. */
  readonly round: number
  /** What the request was signed with. */
  readonly known: TurnRealm | undefined
  readonly name: string
  readonly isAboutPeer: boolean
}

/** What a verdict leads to: an end, or another round with this realm. Throws ERR_RELAY_*. */
export function answerOf(verdict: TurnVerdict, { round, known, name, isAboutPeer }: Round): TurnRealm | 'done' {
  switch (verdict.outcome) {
    case 'success':
      return 'done'
    case 'challenge':
      // RFC 8489 section 9.2.5: the same nonce again means that the password was wrong, another that the old one had expired
      if (round < defaults.turn.maxRounds && (known === undefined || verdict.error.code === 438 || verdict.realm.nonce !== known.nonce)) return verdict.realm
      throw relayRefusal(name, verdict.error, isAboutPeer)
    case 'refused':
      throw relayRefusal(name, verdict.error, isAboutPeer, verdict.alternate)
    case 'forged':
      throw relayError('ERR_RELAY_BAD_REPLY', name, 'its reply is not signed with the password')
    case 'bad':
      throw relayError('ERR_RELAY_BAD_REPLY', name, verdict.reason)
  }
}
