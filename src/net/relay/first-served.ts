import { ThroughlineError } from '../../errors/index.js'
import type { Clock } from '../clock.js'

/** Which servers to ask, and how. */
export interface ServersRequest<Server, Served> {
  /** In this order; at least one. */
  readonly servers: readonly Server[]
  readonly ask: (server: Server, signal: AbortSignal) => Promise<Served>
  /** Gives back what nobody needs any more. */
  readonly giveBack: (served: Served) => void
  /** The next is asked when one has not answered by then, or has failed. */
  readonly staggerMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What the first server gave that answers; the others are given back what they give. Rejects with the first failure when all have failed, or ERR_CANCELLED. */
export function firstServed<Server, Served>({ servers, ask, giveBack, staggerMs, clock, signal }: ServersRequest<Server, Served>): Promise<Served> {
  return new Promise((resolve, reject) => {
    const stop = new AbortController()
    const failures: unknown[] = []
    let asked = 0
    let isOver = false
    let cancelStagger = () => {}
    const settle = (conclude: () => void) => {
      if (isOver) return
      isOver = true
      cancelStagger()
      signal.removeEventListener('abort', onAbort)
      conclude()
      stop.abort('another server serves')
    }
    const onAbort = () => settle(() => reject(new ThroughlineError('ERR_CANCELLED', 'asking for a relay was cancelled')))
    const next = () => {
      cancelStagger()
      const server = servers[asked]
      if (isOver || server === undefined) return
      asked += 1
      if (asked < servers.length) cancelStagger = clock.after(staggerMs, next)
      ask(server, stop.signal).then(
        served => {
          if (isOver) giveBack(served)
          else settle(() => resolve(served))
        },
        (error: unknown) => {
          failures.push(error)
          if (failures.length === servers.length) settle(() => reject(failures[0]))
          else next()
        },
      )
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort)
    next()
  })
}
