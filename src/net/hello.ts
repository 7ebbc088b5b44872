import { firstValueFrom, timeout } from 'rxjs'
import { filter } from 'rxjs/operators'
import { ThroughlineError } from '../errors/index.js'
import type { Frame, Hello, Open } from '../protocol/frames.js'
import type { Channel } from './channel.js'

/** Version of the wire protocol in HELLO. */
export const protocolVersion = 1

/** The next frame of a channel; what follows it stays parked. Rejects with ERR_SECURE_TIMEOUT or what broke the channel. */
async function nextFrame(channel: Channel, wanted: (frame: Frame) => boolean, timeoutMs: number): Promise<Frame> {
  try {
    return await firstValueFrom(channel.frames$.pipe(filter(wanted), timeout({ first: timeoutMs })))
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') throw new ThroughlineError('ERR_SECURE_TIMEOUT', `no frame in ${timeoutMs} ms`)
    if (error instanceof Error && error.name === 'EmptyError') throw new ThroughlineError('ERR_CHANNEL_LOST', 'the peer ended the channel')
    throw error
  }
}

/** Reads the HELLO with which a TLS client begins. The caller owns the channel whatever happens. */
export async function readHello(channel: Channel, timeoutMs: number): Promise<Hello> {
  const frame = await nextFrame(channel, () => true, timeoutMs)
  if (frame.type !== 'hello') throw new ThroughlineError('ERR_PROTOCOL_VIOLATION', `expected HELLO, got ${frame.type}`)
  if (frame.version !== protocolVersion) throw new ThroughlineError('ERR_VERSION', `the peer speaks version ${frame.version}`)
  return frame
}

/** Reads OPEN; the HELLO of a TLS server may come before it. The caller owns the channel whatever happens. */
export async function readOpen(channel: Channel, timeoutMs: number): Promise<Open> {
  const frame = await nextFrame(channel, ({ type }) => type !== 'hello', timeoutMs)
  if (frame.type !== 'open') throw new ThroughlineError('ERR_PROTOCOL_VIOLATION', `expected OPEN, got ${frame.type}`)
  return frame
}
