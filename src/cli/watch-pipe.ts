import type { Observable } from 'rxjs'
import type { ErrorCode } from '../errors/index.js'
import type { ConnectionState, Pipe } from '../node/types.js'
import { pathText, pipeFields, roundMs, shortId } from './describe.js'
import type { Output } from './output.js'

/** A pipe whose events are told. */
export interface PipeWatch {
  readonly pipe: Pipe
  /** Tells the end, once: with a code when bytes may be missing. */
  closed(code?: ErrorCode, fields?: Readonly<Record<string, unknown>>): void
}

/** Tells `state` when it changes; the same function serves attempt and pipe of one session. */
export function stateTeller(output: Output, session: string): (state: ConnectionState) => void {
  let last: ConnectionState | undefined
  return value => {
    if (value === last) return
    last = value
    output.event('state', { session, value })
  }
}

/** Tells that a pipe is there (`connected` or `pipe`), its states, and its moves to other paths. */
export function watchPipe(output: Output, pipe: Pipe, name: 'connected' | 'pipe', elapsedMs: number | undefined, tellState = stateTeller(output, pipe.session)): PipeWatch {
  output.event(name, { ...pipeFields(pipe), ...(elapsedMs === undefined ? {} : { elapsedMs: roundMs(elapsedMs) }) })
  output.say(`${name === 'pipe' ? 'pipe from' : 'connected to'} ${shortId(pipe.peer.id)} (${pathText(pipe.path)})`)
  let first = true
  const subscriptions = [
    listenTo(pipe.state$, state => {
      tellState(state)
      if (state === 'recovering') output.say(`the path to ${shortId(pipe.peer.id)} is silent or gone; looking for another one`)
    }),
    listenTo(pipe.path$, path => {
      if (!first) {
        output.event('path', pipeFields(pipe, path))
        output.say(`the pipe with ${shortId(pipe.peer.id)} goes another way (${pathText(path)})`)
      }
      first = false
    }),
  ]
  let isClosed = false
  return {
    pipe,
    closed(code, fields = {}) {
      if (isClosed) return
      isClosed = true
      for (const subscription of subscriptions) subscription.unsubscribe()
      const { session, stats } = pipe
      output.event('closed', { session, bytesIn: stats.bytesIn, bytesOut: stats.bytesOut, ...(code === undefined ? {} : { code }), ...fields })
      output.say(`pipe with ${shortId(pipe.peer.id)} closed: ${stats.bytesIn} bytes in, ${stats.bytesOut} bytes out${code === undefined ? '' : ` (${code})`}`)
    },
  }
}

/** Subscribes; an error of the stream says only that the pipe is over, which is told elsewhere. */
export const listenTo = <T>(source$: Observable<T>, next: (value: T) => void) => source$.subscribe({ next, error: () => {} })
