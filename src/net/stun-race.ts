import { ThroughlineError } from '../errors/index.js'
import type { Endpoint } from '../protocol/endpoint.js'
import { race } from './race.js'
import { connectStunTcp, type StunTcpConnection, type StunTcpRequest } from './stun-tcp-client.js'

/** Which servers to ask, best first; `timeoutMs` bounds the whole race. */
export interface StunRaceRequest extends Omit<StunTcpRequest, 'server'> {
  readonly servers: readonly Endpoint[]
  /** The next is asked when the one before has failed, or has not answered by then. */
  readonly staggerMs: number
}

/** The connection by which the first answer came; the others are ended. Rejects like `connectStunTcp`, with the last failure, when nobody answers. */
export function raceStunTcp({ servers, ...request }: StunRaceRequest): Promise<StunTcpConnection> {
  return race({
    ...request,
    candidates: servers,
    open: (server, signal) => connectStunTcp({ ...request, server, signal }),
    drop: connection => void connection.close(),
    what: 'asking STUN servers',
    nobody: () => new ThroughlineError('ERR_STUN_TIMEOUT', `none of ${servers.length} STUN servers answered`),
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
