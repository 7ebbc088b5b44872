import type { Failure } from '../../src/errors/index.js'
import type { CandidateRecord, CandidateStatus } from '../shared/candidate.types.js'
import type { AttemptContext } from './attempt.types.js'

type Records = AttemptContext['candidates']

const outcomes: readonly CandidateStatus[] = ['elected', 'lost', 'failed', 'cancelled', 'skipped']

/** True when nothing more will happen to the candidate. */
export const hasOutcome = ({ status }: CandidateRecord): boolean => outcomes.includes(status)

/** Marks one candidate; the others stay as they are. */
export function markCandidate(records: Records, id: string, status: CandidateStatus, error?: Failure): Records {
  const record = records[id]
  if (record === undefined) return records
  return { ...records, [id]: { ...record, status, ...(error !== undefined && { error }) } }
}

/** At the end of an attempt: secured channels that were not chosen lost, what was still under way is cancelled. */
export function settleCandidates(records: Records, electedId: string | undefined): Records {
  if (Object.values(records).every(record => hasOutcome(record) && record.id !== electedId)) return records
  const settled = Object.values(records).map((record): CandidateRecord => {
    if (record.id === electedId) return record.status === 'elected' ? record : { ...record, status: 'elected' }
    if (hasOutcome(record)) return record
    return record.status === 'secured' ? { ...record, status: 'lost', error: superseded } : { ...record, status: 'cancelled' }
  })
  return Object.fromEntries(settled.map(record => [record.id, record]))
}

/** When a round is broken off: what its strategies had under way is cancelled; secured channels stay. */
export const stopCandidates = (records: Records): Records =>
  Object.fromEntries(Object.values(records).map(record => [record.id, hasOutcome(record) || record.status === 'secured' ? record : { ...record, status: 'cancelled' }]))

/** The context of an attempt that was stopped from outside, with every candidate at its outcome. */
export const markSettled = (context: AttemptContext): AttemptContext => ({
  ...context, candidates: settleCandidates(context.candidates, context.elected?.candidateId),
})

/** True while a direct candidate has its connection and works on TLS: an offer would only cost. */
export const isDirectComingUp = (records: Records): boolean =>
  Object.values(records).some(({ strategy, status }) => strategy === 'direct' && (status === 'securing' || status === 'secured'))

const superseded: Failure = { code: 'ERR_SUPERSEDED', message: 'another channel of this attempt was chosen' }
