import type { Socket } from 'node:dgram'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { readSntpReply, type SntpOutcome, type SntpRequest } from '../nat/clock-reply.js'
import { encodeSntpRequest } from '../protocol/sntp.js'
import { bounded } from './bounded.js'
import type { Clock } from './clock.js'
import { errnoOf } from './socket-errors.js'

/** One exchange with one server. */
export interface SntpExchange {
  /** Connected to the server, so that the kernel drops what others send; stays the caller's, who listens to its errors. */
  readonly socket: Socket
  readonly clock: Clock
  /** Bytes nobody can guess. */
  readonly random: (size: number) => Buffer
  /** Before the first request. */
  readonly delayMs: number
  readonly signal: AbortSignal
}

/**
 * Asks for the time, again when no answer comes, each time with a nonce of its own, so that an answer is measured from the
 * request it belongs to. Resolves with the first answer that is one; rejects with ERR_TIME_SERVER_UNREACHABLE or ERR_CANCELLED.
 */
export function exchangeSntp({ socket, clock, random, delayMs, signal }: SntpExchange): Promise<SntpOutcome> {
  const { tries, repeatMs } = defaults.clock
  const waitMs = tries * repeatMs
  const onTimeout = () => new ThroughlineError('ERR_TIME_SERVER_UNREACHABLE', `no answer in ${waitMs} ms`)
  return bounded({ signal, timeoutMs: delayMs + waitMs, what: 'asking for the time', onTimeout }, ({ resolve, reject }) => {
    const requests: SntpRequest[] = []
    const onError = (cause: Error | null) => void (cause !== null && reject(unreachable(cause)))
    const onMessage = (bytes: Buffer) => {
      const receivedAtMs = clock.wallNow()
      const outcome = readSntpReply(bytes, requests, receivedAtMs)
      if (outcome !== undefined) resolve(outcome)
    }
    const send = () => {
      const nonce = random(8)
      const bytes = encodeSntpRequest(nonce)
      if (requests.length + 1 < tries) cancel = clock.after(repeatMs, send)
      requests.push({ nonce: nonce.readBigUInt64BE(), sentAtMs: clock.wallNow() })
      socket.send(bytes, onError)
    }
    socket.on('message', onMessage).on('error', onError)
    let cancel = clock.after(delayMs, send)
    return () => {
      cancel()
      socket.off('message', onMessage).off('error', onError)
    }
  })
}

/** What the socket says when the server, or the way to it, refuses. */
export const unreachable = (cause: unknown): ThroughlineError =>
  new ThroughlineError('ERR_TIME_SERVER_UNREACHABLE', `it cannot be reached: ${errnoOf(cause) || String(cause)}`, { cause })
