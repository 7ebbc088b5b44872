import type { CommandContext } from './context.js'
import { failureOf, interruptedExit } from './failure.js'
import { aborted } from './interrupt.js'
import { leavePipe } from './leave-pipe.js'
import type { PipeWatch } from './watch-pipe.js'

/**
 * Waits for the work on a pipe, or for a signal to end it, and tells how the pipe closed. Resolves to the exit code;
 * rejects with the error of the work.
 */
export async function untilOver({ signal }: Pick<CommandContext, 'signal'>, watch: PipeWatch, work: Promise<void>): Promise<number> {
  const outcome = work.then(
    () => ({ isOver: true }) as const,
    (error: unknown) => ({ isOver: true, error }) as const,
  )
  // The signal outlives many pipes.
  const over = new AbortController()
  const first = await Promise.race([outcome, aborted(signal, over.signal).then(() => ({ isOver: false }) as const)])
  over.abort()
  if (!first.isOver) {
    watch.closed(await leavePipe(watch.pipe))
    return interruptedExit
  }
  if (!('error' in first)) {
    watch.closed()
    return 0
  }
  watch.closed(failureOf(watch.pipe.errored ?? first.error).code)
  throw first.error
}
