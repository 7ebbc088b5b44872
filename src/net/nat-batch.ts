import { setMaxListeners } from 'node:events'
import { defaults } from '../config/defaults.js'
import { toFailure, type ErrorCode } from '../errors/index.js'
import { patienceMs } from '../nat/enumeration/patience.js'
import type { Observation, Probe, ProbeBatch } from '../nat/enumeration/probes.js'

/** Makes one probe; `order` ranks it among those of its batch. Ends by its own limit or the signal; never rejects. */
export type Prober = (probe: Probe, order: number, signal: AbortSignal) => Promise<Observation>

/**
 * Runs the probes of a batch side by side, in the order of the list, until all have settled or patience ends: what is
 * unanswered then has failed. Rejects with the signal's reason when that fires.
 */
export async function runProbes({ batch, local, prober, signal }: {
  readonly batch: ProbeBatch
  readonly local: string
  readonly prober: Prober
  readonly signal: AbortSignal
}): Promise<readonly Observation[]> {
  signal.throwIfAborted()
  const stop = new AbortController()
  // every probe listens
  setMaxListeners(0, stop.signal)
  const onAbort = () => stop.abort(signal.reason)
  signal.addEventListener('abort', onAbort)
  const startedAtMs = performance.now()
  const observations: Observation[] = []
  let timer: NodeJS.Timeout | undefined
  const wait = () => {
    clearTimeout(timer)
    const leftMs = patienceMs(batch, observations, local) - (performance.now() - startedAtMs)
    timer = setTimeout(() => stop.abort(impatient), Math.max(0, leftMs))
  }
  try {
    const running = batch.probes.map(async (probe, order) => {
      const observation = await prober(probe, order, stop.signal)
      observations.push(observation)
      if (!stop.signal.aborted) wait()
    })
    wait()
    await Promise.all(running)
    signal.throwIfAborted()
    return observations
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

const impatient = 'the others have told enough'

/** Why a probe failed; what patience cut short has timed out. */
export function failureCode(error: unknown): ErrorCode {
  const { code } = toFailure(error)
  return code === 'ERR_CANCELLED' ? 'ERR_STUN_TIMEOUT' : code
}

/** What a probe may take, by the limit of its batch. */
export const probeLimits = ({ maxMs }: ProbeBatch, signal: AbortSignal): { readonly timeoutMs: number; readonly signal: AbortSignal } =>
  ({ timeoutMs: Math.min(maxMs, defaults.natProbe.batchTimeoutMs), signal })
