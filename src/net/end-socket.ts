import type { Socket } from 'node:net'
import { defaults } from '../config/defaults.js'

/**
 * Ends a socket nobody needs by FIN and reads on; it is destroyed when the peer has ended too, or after
 * `dial.lingerMs`. Destroyed with bytes unread or on their way it would answer RST, which can tear down NAT mappings
 * that others still use. Keeps no process.
 */
export function endSocket(socket: Socket): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), defaults.dial.lingerMs).unref()
  socket.on('error', () => {}).once('close', () => clearTimeout(timer))
  socket.resume().unref().end()
}
