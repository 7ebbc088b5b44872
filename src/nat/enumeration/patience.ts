import { defaults } from '../../config/defaults.js'
import { agree } from './agreement.js'
import { mappedOf, type Observation, type ProbeBatch } from './probes.js'

const { enoughShare, patienceFactor, slackMs } = defaults.natProbe

/**
 * How long after its start a batch waits, given what has answered so far: once that is enough, a little longer than the slowest of
 * them took. To be asked again at each answer; what is unanswered then has failed with ERR_STUN_TIMEOUT. A batch whose probes are all
 * settled is over at once.
 */
export function patienceMs(batch: ProbeBatch, observations: readonly Observation[], local: string): number {
  const rounds = [{ batch, observations }]
  const answered = mappedOf(rounds, batch.transport)
  if (batch.purpose === 'behave' || answered.length === 0) return batch.maxMs
  const isEnough = batch.purpose === 'discover' ? agree(rounds, batch.transport, local).voters >= 2 : answered.length >= enoughShare * batch.probes.length
  return isEnough ? Math.min(batch.maxMs, patienceFactor * Math.max(...answered.map(({ rttMs }) => rttMs)) + slackMs) : batch.maxMs
}
