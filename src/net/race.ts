import { setMaxListeners } from 'node:events'
import type { ThroughlineError } from '../errors/index.js'
import { bounded } from './bounded.js'

/** Who takes part, best first, and how each is begun. */
export interface RaceRequest<C, T> {
  readonly candidates: readonly C[]
  /** Begins one; must end by `signal`. */
  readonly open: (candidate: C, signal: AbortSignal) => Promise<T>
  /** Gets what came too late. */
  readonly drop: (late: T) => void
  /** The next begins when the one before has failed, or has nothing by then. */
  readonly staggerMs: number
  /** Bounds the whole race. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly what: string
  /** The error when time is up, or there are no candidates. */
  readonly nobody: () => ThroughlineError
}

/** What the first to succeed has; the others are aborted. Rejects with the last failure, with that of `nobody`, or with ERR_CANCELLED. */
export function race<C, T>({ candidates, open, drop, staggerMs, nobody, ...bounds }: RaceRequest<C, T>): Promise<T> {
  return bounded({ ...bounds, onTimeout: nobody }, ({ resolve, reject }) => {
    const stop = new AbortController()
    // each candidate listens
    setMaxListeners(0, stop.signal)
    const waiting = [...candidates]
    let running = 0
    let timer: NodeJS.Timeout | undefined
    const beginNext = (failure: unknown) => {
      clearTimeout(timer)
      if (stop.signal.aborted) return
      const [candidate] = waiting.splice(0, 1)
      if (candidate === undefined) return void (running === 0 && reject(failure as ThroughlineError))
      running += 1
      timer = setTimeout(() => beginNext(nobody()), staggerMs)
      open(candidate, stop.signal).then(
        result => (stop.signal.aborted ? drop(result) : resolve(result)),
        (error: unknown) => {
          running -= 1
          beginNext(error)
        })
    }
    beginNext(nobody())
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  })
}
