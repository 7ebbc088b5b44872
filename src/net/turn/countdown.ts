import type { TurnLimits } from './types.js'

/** Returns what is left of the limits, whenever it is called: for an operation of several steps. */
export function countdown({ timeoutMs, signal }: TurnLimits): () => TurnLimits {
  const endMs = performance.now() + timeoutMs
  return () => ({ signal, timeoutMs: Math.max(endMs - performance.now(), 1) })
}
