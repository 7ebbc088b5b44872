import type { InspectionEvent } from 'xstate'
import type { CandidateRecord } from '../../../machines/shared/candidate.types.js'
import type { CandidateMoment, Signal } from './messages.js'

/** What the demo shows of a machine's event; undefined = nothing. */
export type Glimpse = { readonly kind: 'signal'; readonly value: Signal } | { readonly kind: 'candidate'; readonly candidate: CandidateMoment }

const signals: Readonly<Record<string, Signal>> = {
  'exchange.published': 'offer.published',
  'exchange.acknowledged': 'offer.acknowledged',
  'exchange.answered': 'answer.received',
}

/**
 * Reads signalling, and the candidates of a responder, out of the inspection events of a node: this is all it takes to
 * watch an attempt from outside.
 */
export function glimpse(inspected: InspectionEvent): Glimpse | undefined {
  if (inspected.type !== '@xstate.event') return undefined
  const { event } = inspected
  const { id } = inspected.actorRef as { id?: string }
  if (event.type === 'xstate.init') return ofStart(id, event['input'])
  if (event.type === 'open.received') return { kind: 'signal', value: 'open.received' }
  if (id !== 'attempt') return undefined
  const value = signals[event.type]
  if (value !== undefined) return { kind: 'signal', value }
  return event.type === 'candidate.changed' ? { kind: 'candidate', candidate: candidateMoment(event['candidate'] as CandidateRecord) } : undefined
}

/** A connection that starts as responder has an offer or an OPEN as its input; the actor `answer` sends the answer. */
function ofStart(id: string | undefined, input: unknown): Glimpse | undefined {
  if (id === 'answer') return { kind: 'signal', value: 'answer.sent' }
  const { role, sessionKey, attempt, offer, channelId } = (input ?? {}) as Readonly<Record<string, unknown>>
  if (role !== 'responder' || sessionKey === undefined || attempt === undefined) return undefined
  if (offer !== undefined) return { kind: 'signal', value: 'offer.received' }
  return channelId === undefined ? undefined : { kind: 'signal', value: 'open.received' }
}

/** The part of a candidate that is shown. */
export const candidateMoment = ({ id, strategy, scope, family, method, local, remote, status, error }: CandidateRecord): CandidateMoment => ({
  id, strategy, scope, family, ...(method !== undefined && { method }), local, remote, status, ...(error !== undefined && { code: error.code }),
})
