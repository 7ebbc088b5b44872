import { defaults } from '../config/defaults.js'
import { toFailure, type Failure } from '../errors/index.js'
import type { Clock } from '../net/clock.js'

const { lookupEveryMs, lookupMaxBrokers, lookupNext } = defaults.signalling

/** Whom to ask, and how. `ask` resolves when the question is with the broker. */
export interface WaveRequest {
  /** Best first. */
  readonly brokers: readonly string[]
  /** How many are asked at once. */
  readonly first: number
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly ask: (brokerId: string) => Promise<void>
}

/**
 * Asks brokers in waves (protocol 4): some at once, the next three every 1.5 s or as soon as all before have failed, at
 * most 8. Resolves when all were asked, with the failures; the signal ends it, once there is an answer.
 */
export async function askInWaves({ brokers, first, clock, signal, ask }: WaveRequest): Promise<readonly Failure[]> {
  const failures: Failure[] = []
  const asked: Promise<void>[] = []
  const queue = brokers.slice(0, lookupMaxBrokers)
  for (let size = first; queue.length > 0 && !signal.aborted; size = lookupNext) {
    const wave = queue.splice(0, size).map(brokerId =>
      ask(brokerId).catch((error: unknown) => void failures.push(toFailure(error, 'ERR_BROKER_UNREACHABLE'))))
    asked.push(...wave)
    if (queue.length === 0) break
    const allFailed = Promise.all(asked).then(() => (failures.length === asked.length ? undefined : forever))
    const next = new AbortController()
    await Promise.race([allFailed, pause(clock, lookupEveryMs, AbortSignal.any([signal, next.signal]))])
    next.abort()
  }
  await untilAborted(Promise.all(asked), signal)
  return failures
}

const forever = new Promise<never>(() => {})

/** Resolves after a time, or at once when the signal fires. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const settle = () => {
      cancel()
      signal.removeEventListener('abort', settle)
      resolve()
    }
    const cancel = clock.after(delayMs, settle)
    signal.addEventListener('abort', settle)
    if (signal.aborted) settle()
  })
}

/** Resolves with the work, which never rejects, or when the signal fires. */
function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const settle = () => {
      signal.removeEventListener('abort', settle)
      resolve()
    }
    if (signal.aborted) return settle()
    signal.addEventListener('abort', settle)
    void work.then(settle)
  })
}
