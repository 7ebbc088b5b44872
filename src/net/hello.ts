import { Subscriber } from 'rxjs'
import { ThroughlineError, type Failure } from '../errors/index.js'
import type { Frame, Hello, Open } from '../protocol/frames.js'
import type { Channel } from './channel.js'

/** Version of the wire protocol in HELLO. */
export const protocolVersion = 1

/** What waiting for a frame came to. */
export type Read<F> = F | ThroughlineError

interface FrameRequest {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Reads the HELLO with which a TLS client begins, and calls back in the same turn it arrives: what follows stays parked.
 * Fails with ERR_SECURE_TIMEOUT, ERR_CHANNEL_LOST when the channel ended or the signal fired, ERR_PROTOCOL_VIOLATION or
 * ERR_VERSION. The caller owns the channel whatever happens.
 */
export function readHello(channel: Channel, request: FrameRequest, done: (hello: Read<Hello>) => void): void {
  nextFrame(channel, () => true, request, frame => {
    if (frame instanceof ThroughlineError) return done(frame)
    if (frame.type !== 'hello') return done(unexpected('HELLO', frame))
    done(frame.version === protocolVersion ? frame : new ThroughlineError('ERR_VERSION', `the peer speaks version ${frame.version}`))
  })
}

/** Reads OPEN; the HELLO of a TLS server may come before it. Otherwise as `readHello`. */
export function readOpen(channel: Channel, request: FrameRequest, done: (open: Read<Open>) => void): void {
  nextFrame(channel, ({ type }) => type !== 'hello', request, frame => {
    done(frame instanceof ThroughlineError || frame.type === 'open' ? frame : unexpected('OPEN', frame))
  })
}

function nextFrame(channel: Channel, wanted: (frame: Frame) => boolean, { timeoutMs, signal }: FrameRequest, done: (frame: Read<Frame>) => void): void {
  if (signal.aborted) return done(ended())
  const settle = (outcome: Read<Frame>) => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onEnd)
    reader.unsubscribe()
    done(outcome)
  }
  const onEnd = () => settle(ended())
  const timer = setTimeout(() => settle(new ThroughlineError('ERR_SECURE_TIMEOUT', `no frame in ${timeoutMs} ms`)), timeoutMs)
  signal.addEventListener('abort', onEnd)
  // made before it subscribes: a parked frame comes at once, and those after it have to stay
  const reader = new Subscriber<Frame>({
    next: frame => wanted(frame) && settle(frame),
    error: ({ code, message }: Failure) => settle(new ThroughlineError(code, message)),
    complete: onEnd,
  })
  channel.frames$.subscribe(reader)
}

const ended = () => new ThroughlineError('ERR_CHANNEL_LOST', 'the channel ended')
const unexpected = (wanted: string, { type }: Frame) => new ThroughlineError('ERR_PROTOCOL_VIOLATION', `expected ${wanted}, got ${type}`)
