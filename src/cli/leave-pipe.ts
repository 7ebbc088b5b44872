import { finished } from 'node:stream/promises'
import type { ErrorCode } from '../errors/index.js'
import type { Pipe } from '../node/types.js'
import { failureOf } from './failure.js'
import { pause } from './interrupt.js'

/** Two looks so far apart tell a pipe in use from an idle one; one such time also lets late acknowledgements arrive. */
const lookMs = 75

/**
 * Ends the pipe of an interrupted command: a finished or idle one by FIN, resolved when that is acknowledged; one with
 * data under way by ABORT. Resolves to the code it ended with, undefined after a clean end. Never rejects.
 */
export async function leavePipe(pipe: Pipe): Promise<ErrorCode | undefined> {
  if (pipe.destroyed) return undefined
  pipe.on('error', ignore)
  if (await isUnfinished(pipe)) {
    if (!pipe.destroyed) pipe.abort('ERR_INTERRUPTED')
    return 'ERR_INTERRUPTED'
  }
  try {
    // The peer's own end is not waited for: the process is leaving.
    await Promise.race([pipe.close(), finished(pipe, { readable: false })])
    return undefined
  } catch (error) {
    return failureOf(error).code
  }
}

async function isUnfinished(pipe: Pipe): Promise<boolean> {
  await pause(lookMs)
  const { bytesIn, bytesOut } = pipe.stats
  await pause(lookMs)
  if (pipe.destroyed) return false
  const { stats } = pipe
  const isMoving = stats.bytesIn !== bytesIn || stats.bytesOut !== bytesOut
  return isMoving || !pipe.isIdle || pipe.writableLength > 0 || pipe.readableLength > 0 || stats.bytesOut > stats.acknowledged
}

const ignore = () => {}
