import { finished, type Readable, type Writable } from 'node:stream'
import { ThroughlineError, type ErrorCode } from '../errors/index.js'
import type { Pipe } from '../node/types.js'

/** What a pipe is joined to: stdin and stdout, both sides of a socket, … */
export interface JoinEnds {
  readonly source: Readable
  readonly sink: Writable
  /** False leaves the sink open (stdout). */
  readonly endSink?: boolean
  /** What the peer is told when source or sink fails; default ERR_PIPE_ABORTED. */
  readonly abortCode?: ErrorCode
}

/**
 * Copies source to pipe and pipe to sink with half-close and back-pressure. Resolves when the peer has ended its stream,
 * the sink has taken it all, and our end is acknowledged or the peer is gone with all we sent: then it does not wait for
 * the source. Rejects with the pipe's error, or with that of source or sink after it has aborted the pipe.
 */
export function join(pipe: Pipe, { source, sink, endSink = true, abortCode = 'ERR_PIPE_ABORTED' }: JoinEnds): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      for (const cleanup of cleanups) cleanup()
      source.unpipe(pipe)
      if (error === undefined) return resolve()
      pipe.unpipe(sink)
      pipe.on('error', ignore)
      if (!pipe.destroyed) pipe.abort(abortCode)
      reject(error)
    }
    const onSide = (error?: Error | null) => void (error && !pipe.destroyed && settle(error))
    const onPipe = (error?: Error | null) => {
      if (error) return settle(pipe.errored ?? lost())
      flush(sink, endSink).then(() => settle(), (cause: unknown) => settle(cause instanceof Error ? cause : lost()))
    }
    const cleanups = [
      finished(source, { writable: false }, onSide),
      finished(sink, { readable: false }, onSide),
      finished(pipe, onPipe),
    ]
    source.pipe(pipe)
    pipe.pipe(sink, { end: endSink })
  })
}

/** Resolves when the sink has taken everything written so far. */
function flush(sink: Writable, isEnded: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDone = (error?: Error | null) => (error ? reject(error) : resolve())
    if (isEnded) finished(sink, { readable: false }, onDone)
    else sink.write('', onDone)
  })
}

const ignore = () => {}

const lost = () => new ThroughlineError('ERR_CONNECTION_LOST', 'the pipe closed before both sides had ended it')
