import type { CandidateRecord } from '../../machines/shared/candidate.types.js'
import type { Pipe, PipePath } from '../node/types.js'

const outcomes = ['elected', 'lost', 'failed', 'cancelled', 'skipped'] as const

/** Milliseconds with one decimal. */
export const roundMs = (ms: number): number => Math.max(0, Math.round(ms * 10) / 10)

/** Milliseconds for people. */
export const showMs = (ms: number): string => (ms < 1_000 ? `${roundMs(ms)} ms` : `${roundMs(ms / 1_000)} s`)

/** A pipe and its path as `connected`, `pipe` and `path` show them. */
export function pipeFields(pipe: Pipe, path: PipePath = pipe.path): Record<string, unknown> {
  const { strategy, scope, family, local, remote, relay, method, rttMs, reason } = path
  const { session, peer, protocol } = pipe
  return { session, peer: peer.id, protocol, strategy, scope, family, local, remote, ...optional({ relay, method }), rttMs: roundMs(rttMs), ...optional({ reason }) }
}

/** A candidate with its outcome; undefined while it has none. `startedAtMs` is that of the attempt. */
export function candidateFields(record: CandidateRecord, startedAtMs: number): Record<string, unknown> | undefined {
  const { strategy, scope, family, local, remote, relay, method, status, error } = record
  if (!outcomes.some(outcome => outcome === status)) return undefined
  return {
    strategy,
    scope,
    family,
    local,
    remote,
    ...optional({ relay, method }),
    outcome: status,
    ...optional({ code: error?.code }),
    elapsedMs: roundMs(record.updatedAtMs - startedAtMs),
  }
}

/** A path in a few words for people. */
export const pathText = ({ strategy, method, relay, scope, local, remote, rttMs }: PipePath): string =>
  `${strategy}${method === undefined ? '' : ` (${method})`}${relay === undefined ? '' : ` (${relay})`}, ${scope} path, ${local} → ${remote}, round trip ${showMs(rttMs)}`

/** The beginning of an id, enough to recognise it. */
export const shortId = (id: string): string => `${id.slice(0, 8)}…`

const optional = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
