import { setMaxListeners } from 'node:events'
import { ThroughlineError } from '../errors/index.js'
import type { Endpoint } from '../protocol/endpoint.js'
import { bounded } from './bounded.js'
import { connectStunTcp, type StunTcpConnection, type StunTcpRequest } from './stun-tcp-client.js'

/** Which servers to ask, best first; `timeoutMs` bounds the whole race. */
export interface StunRaceRequest extends Omit<StunTcpRequest, 'server'> {
  readonly servers: readonly Endpoint[]
  /** The next is asked when the one before has failed, or has not answered by then. */
  readonly staggerMs: number
}

/** The connection by which the first answer came; the others are ended. Rejects like `connectStunTcp`, with the last failure, when nobody answers. */
export function raceStunTcp({ servers, staggerMs, ...request }: StunRaceRequest): Promise<StunTcpConnection> {
  const nobody = () => new ThroughlineError('ERR_STUN_TIMEOUT', `none of ${servers.length} STUN servers answered`)
  return bounded({ ...request, what: 'asking STUN servers', onTimeout: nobody }, ({ resolve, reject }) => {
    const stop = new AbortController()
    // every server's connection listens
    setMaxListeners(0, stop.signal)
    const waiting = [...servers]
    let running = 0
    let timer: NodeJS.Timeout | undefined
    const askNext = (failure: unknown) => {
      clearTimeout(timer)
      const server = waiting.shift()
      if (stop.signal.aborted) return
      if (server === undefined) return void (running === 0 && reject(failure as ThroughlineError))
      running += 1
      timer = setTimeout(() => askNext(nobody()), staggerMs)
      connectStunTcp({ ...request, server, signal: stop.signal }).then(
        connection => (stop.signal.aborted ? void connection.close() : resolve(connection)),
        (error: unknown) => {
          running -= 1
          askNext(error)
        })
    }
    askNext(nobody())
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  })
}

/** Connections to all who answer until `graceMs` after the first did, in that order; they are the caller's. Never rejects. */
export async function askStunTcp({ servers, graceMs, ...request }: Omit<StunRaceRequest, 'staggerMs'> & { readonly graceMs: number }): Promise<readonly StunTcpConnection[]> {
  const enough = new AbortController()
  const signal = AbortSignal.any([request.signal, enough.signal])
  const answered: StunTcpConnection[] = []
  let timer: NodeJS.Timeout | undefined
  await Promise.allSettled(servers.map(async server => {
    answered.push(await connectStunTcp({ ...request, server, signal }))
    timer ??= setTimeout(() => enough.abort(), graceMs)
  }))
  clearTimeout(timer)
  return answered
}
