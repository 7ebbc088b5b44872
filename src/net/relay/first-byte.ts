import { defaults } from '../../config/defaults.js'
import { ThroughlineError } from '../../errors/index.js'
import { bounded } from '../bounded.js'
import type { Socket } from '../dial-socket.js'

/**
 * Waits until the other end has said something, and leaves it in the socket. A TLS server that waits for ClientHello does
 * not notice a FIN, by which a relay hangs up. Rejects ERR_SECURE_FAILED when it was hung up, ERR_SECURE_TIMEOUT or
 * ERR_CANCELLED; the socket is the caller's.
 */
export function firstByte(socket: Socket, signal: AbortSignal): Promise<void> {
  const timeoutMs = defaults.dial.secureTimeoutMs
  const onTimeout = () => new ThroughlineError('ERR_SECURE_TIMEOUT', `not a byte in ${timeoutMs} ms`)
  return bounded<void>({ signal, timeoutMs, what: 'waiting for the TLS client', onTimeout }, ({ resolve, reject }) => {
    const onReadable = () => {
      if (socket.readableLength > 0) resolve()
      // nothing but its end can be read
      else socket.read()
    }
    const onEnd = () => reject(new ThroughlineError('ERR_SECURE_FAILED', 'the other end hung up before it said anything'))
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onEnd)
    if (socket.destroyed) onEnd()
    else if (socket.readableLength > 0) resolve()
    return () => void socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onEnd)
  })
}
