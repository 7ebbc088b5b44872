import type { Socket } from 'node:net'
import { ThroughlineError, type ErrorCode } from '../errors/index.js'
import type { Pipe } from '../node/types.js'
import { join } from './join.js'

/** Joins a pipe and a TCP socket, which it owns from here on; a pipe that fails resets the socket, so that nobody takes it for an end. */
export async function joinSocket(pipe: Pipe, socket: Socket, abortCode: ErrorCode): Promise<void> {
  socket.on('error', () => {})
  try {
    await join(pipe, { source: socket, sink: socket, abortCode })
    socket.destroy()
  } catch (error) {
    socket.resetAndDestroy()
    if (ThroughlineError.is(error)) throw error
    throw new ThroughlineError(abortCode, `the TCP connection failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
