import { ThroughlineError } from '../errors/index.js'

/** Ends a bounded operation; the first call counts. */
export interface Settle<T> {
  resolve(value: T): void
  reject(error: ThroughlineError): void
}

/** What bounds an operation in time. */
export interface Bounds {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** Names the operation in the messages: `<what> was cancelled`. */
  readonly what: string
  readonly onTimeout: () => ThroughlineError
}

/**
 * Runs an operation of callbacks until it settles, times out or is aborted (ERR_CANCELLED). `start` returns what
 * removes its listeners; that runs exactly once, whatever the outcome, also when `start` settles at once or throws.
 */
export function bounded<T>({ signal, timeoutMs, what, onTimeout }: Bounds, start: (settle: Settle<T>) => () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let settled = false
    let cleanUp: (() => void) | undefined
    const finish = (conclude: () => void) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      cleanUp?.()
      conclude()
    }
    const fail = (error: unknown) => finish(() => reject(error))
    const onAbort = () => fail(new ThroughlineError('ERR_CANCELLED', `${what} was cancelled`, { cause: signal.reason }))
    const timer = setTimeout(() => fail(onTimeout()), timeoutMs)
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort)
    try {
      cleanUp = start({ resolve: value => finish(() => resolve(value)), reject: fail })
      if (settled) cleanUp()
    } catch (error) {
      fail(error)
    }
  })
}
