import { Subscriber } from 'rxjs'
import { ThroughlineError } from '../errors/index.js'
import type { Frame, Hello, Open } from '../protocol/frames.js'
import type { Channel } from './channel.js'

/** Version of the wire protocol in HELLO. */
export const protocolVersion = 1

/** The next frame of a channel; what follows it stays parked. Rejects with ERR_SECURE_TIMEOUT, or ERR_CHANNEL_LOST when the channel ended or the signal fired. */
function nextFrame(channel: Channel, wanted: (frame: Frame) => boolean, timeoutMs: number, signal: AbortSignal): Promise<Frame> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(ended())
    const settle = (conclude: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onEnd)
      reader.unsubscribe()
      conclude()
    }
    const onEnd = () => settle(() => reject(ended()))
    const timer = setTimeout(() => settle(() => reject(new ThroughlineError('ERR_SECURE_TIMEOUT', `no frame in ${timeoutMs} ms`))), timeoutMs)
    signal.addEventListener('abort', onEnd)
    // made before it subscribes: a parked frame comes at once, and those after it have to stay
    const reader = new Subscriber<Frame>({
      next: frame => wanted(frame) && settle(() => resolve(frame)),
      error: (error: unknown) => settle(() => reject(error)),
      complete: onEnd,
    })
    channel.frames$.subscribe(reader)
  })
}

/** Reads the HELLO with which a TLS client begins. The caller owns the channel whatever happens. */
export async function readHello(channel: Channel, timeoutMs: number, signal: AbortSignal): Promise<Hello> {
  const frame = await nextFrame(channel, () => true, timeoutMs, signal)
  if (frame.type !== 'hello') throw new ThroughlineError('ERR_PROTOCOL_VIOLATION', `expected HELLO, got ${frame.type}`)
  if (frame.version !== protocolVersion) throw new ThroughlineError('ERR_VERSION', `the peer speaks version ${frame.version}`)
  return frame
}

/** Reads OPEN; the HELLO of a TLS server may come before it. The caller owns the channel whatever happens. */
export async function readOpen(channel: Channel, timeoutMs: number, signal: AbortSignal): Promise<Open> {
  const frame = await nextFrame(channel, ({ type }) => type !== 'hello', timeoutMs, signal)
  if (frame.type !== 'open') throw new ThroughlineError('ERR_PROTOCOL_VIOLATION', `expected OPEN, got ${frame.type}`)
  return frame
}

const ended = () => new ThroughlineError('ERR_CHANNEL_LOST', 'the channel ended')
