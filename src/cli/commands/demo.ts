import { strategyOrder, type Strategy } from '../../../machines/strategies.js'
import { codes } from '../../errors/index.js'
import type { Command } from '../context.js'
import { NodeFailure } from '../demo/node-process.js'
import { Programme } from '../demo/programme.js'
import { Stage } from '../demo/stage.js'
import { exitOf, failureOf, interruptedExit } from '../failure.js'
import { aborted } from '../interrupt.js'

/** Enough to see a throughput, little enough for a slow machine. */
const mebibytes = 16
/** Both nodes are on this machine: what has not come about by then never will. */
const attemptTimeoutMs = 10_000

/** `throughline demo`: a file through each strategy's pipe, between two processes of this machine. Exit code 0 only when all bytes matched. */
export const demo: Command = async ({ settings, output, stdout, signal }) => {
  const programme = new Programme(output, stdout)
  const { strategies = strategyOrder, timeoutMs = attemptTimeoutMs, report } = settings
  programme.open()
  const stage = new Stage({
    mebibytes, signal, onReport: (role, told) => programme.take(role, told), ...(report !== undefined && { reportFile: report }),
  })
  const work = perform(programme, stage, { strategies, timeoutMs, signal })
  try {
    return await Promise.race([work, aborted(signal).then(() => interruptedExit)])
  } finally {
    work.catch(() => {})
    await stage.tearDown()
  }
}

interface Performance {
  readonly strategies: readonly Strategy[]
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

async function perform(programme: Programme, stage: Stage, { strategies, timeoutMs, signal }: Performance): Promise<number> {
  await stage.set()
  programme.introduce(stage, mebibytes)
  const exits: number[] = []
  for (const [index, strategy] of strategies.entries()) {
    programme.announce(index, strategy)
    const outcome = await act(stage, strategy, timeoutMs)
    signal.throwIfAborted()
    exits.push(tell(programme, stage, strategy, outcome))
  }
  await stage.close()
  programme.conclude(exits.filter(exit => exit === 0).length, exits.length)
  return exits.find(exit => exit !== 0) ?? 0
}

type Outcome = Awaited<ReturnType<Stage['send']>> | { readonly error: unknown }

/** One strategy. A failure does not keep the next from being shown. */
const act = (stage: Stage, strategy: Strategy, timeoutMs: number): Promise<Outcome> =>
  stage.send(strategy, timeoutMs).catch((error: unknown) => ({ error }))

/** Tells how it came out; returns the exit code it deserves. */
function tell(programme: Programme, stage: Stage, strategy: Strategy, outcome: Outcome): number {
  if ('error' in outcome) {
    const { error } = outcome
    programme.tellFailure(strategy, failureOf(error), error instanceof NodeFailure ? error.verdict : undefined)
    return exitOf(error)
  }
  const { sent, received, told } = outcome
  const isWhole = sent.sha256 === stage.sha256 && received.sha256 === stage.sha256 && sent.bytes === received.bytes
  programme.tellTransfer(strategy, { sent, received, isWhole, verdict: told.verdict })
  return isWhole ? 0 : codes.ERR_INTERNAL.exit
}
