import type { ErrorCode, Failure } from '../../src/errors/index.js'
import type { CandidateRecord } from '../shared/candidate.types.js'
import type { AttemptContext } from './attempt.types.js'

/**
 * The one failure an attempt ends with, by its strongest evidence: what was decided (refusal, cancellation, time), then
 * a wrong key, then whether the peer gave any sign of life.
 */
export function failureOf(context: AttemptContext): Failure {
  const { failure, signalling, known } = context
  const records = Object.values(context.candidates)
  const isAlive = signalling.acknowledged || records.some(hasProvedItsKey)
  if (failure !== undefined && (failure.code !== 'ERR_TIMEOUT' || isAlive)) return failure
  const impostor = records.find(({ error }) => error?.code === 'ERR_PEER_KEY_MISMATCH')
  if (impostor?.error !== undefined && !isAlive) return impostor.error
  if (isAlive) return { code: 'ERR_NO_PATH', message: 'the peer answered, but no strategy found a path' }
  if (records.length === 0 && signalling.failure !== undefined && !signalling.published) return signalling.failure
  if (records.length === 0 && known?.brokers.length === 0) return { code: 'ERR_NO_BROKER', message: 'no broker to ask the peer by, and no endpoint to dial' }
  return { code: 'ERR_PEER_OFFLINE', message: 'no sign of life from the peer' }
}

const afterSecured: readonly ErrorCode[] = ['ERR_ACCEPT_TIMEOUT', 'ERR_CHANNEL_LOST', 'ERR_SUPERSEDED']

/** The right peer was at the other end of this candidate. */
export const hasProvedItsKey = ({ status, error }: CandidateRecord): boolean =>
  status === 'secured' || status === 'elected' || (error !== undefined && afterSecured.includes(error.code))
