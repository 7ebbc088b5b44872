import { skip, take } from 'rxjs'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import type { PipePath, RepathOptions } from '../streams/pipe/types.js'
import { assertStrategies } from './assert-strategies.js'
import type { SessionEntry } from './session-entry.js'

/** Has the connection look for another path (see `Pipe.repath`). */
export async function repath(entry: SessionEntry, { strategies, signal }: RepathOptions): Promise<PipePath> {
  assertStrategies(strategies)
  signal?.throwIfAborted()
  const { actor, pipe } = entry
  if (pipe === undefined || actor.getSnapshot().status !== 'active') throw closed()
  const wanted = strategies ?? entry.facts.strategies
  const requestId = `repath-${(entry.repaths += 1)}`
  return new Promise((resolve, reject) => {
    const settle = (conclude: () => void) => {
      moved.unsubscribe()
      searched.unsubscribe()
      over.unsubscribe()
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      conclude()
    }
    const onAbort = () => settle(() => reject(new ThroughlineError('ERR_CANCELLED', 'the move was cancelled', { cause: signal?.reason })))
    // a responder's wish has no other answer than the move
    const moved = pipe.path$.pipe(skip(1), take(1)).subscribe(path => entry.facts.role === 'responder' && settle(() => resolve(path)))
    const searched = actor.on('search.ended', ended => {
      if (ended.requestId !== requestId) return
      const { failure } = ended
      settle(() => (failure === undefined ? resolve(pipe.path) : reject(new ThroughlineError(failure.code, failure.message))))
    })
    const over = actor.subscribe({ error: () => settle(() => reject(closed())), complete: () => settle(() => reject(closed())) })
    const timer = setTimeout(() => settle(() => reject(new ThroughlineError('ERR_TIMEOUT', 'no other path was found in time'))), defaults.attempt.timeoutMs)
    signal?.addEventListener('abort', onAbort)
    actor.send({ type: 'path.requested', strategies: wanted, requestId })
  })
}

const closed = () => new ThroughlineError('ERR_PIPE_CLOSED', 'the pipe is closed')
