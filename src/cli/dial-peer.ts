import type { Attempt, DialOptions, Node, Pipe } from '../node/types.js'
import type { CommandContext } from './context.js'
import { candidateFields, roundMs, shortId, showMs } from './describe.js'
import { failureOf } from './failure.js'
import type { Output } from './output.js'
import { dialOptionsOf } from './settings.js'
import { listenTo, stateTeller, watchPipe, type PipeWatch } from './watch-pipe.js'

/** A pipe and the attempt it came from. */
export interface Dialled {
  readonly attempt: Attempt
  readonly pipe: Pipe
  readonly watch: PipeWatch
}

/** Dials with the command's settings and tells states, candidates and the outcome. Rejects with the attempt's error, told as `failed`. */
export async function dialPeer({ settings, output, signal }: CommandContext, node: Node, peer: string, options: DialOptions = {}): Promise<Dialled> {
  const attempt = node.dial(peer, { ...dialOptionsOf(settings), ...options, signal })
  const tellState = stateTeller(output, attempt.session)
  listenTo(attempt.state$, tellState)
  tellCandidates(output, attempt)
  try {
    const pipe = await attempt.pipe
    return { attempt, pipe, watch: watchPipe(output, pipe, 'connected', attempt.report().elapsedMs, tellState) }
  } catch (error) {
    tellFailure(output, attempt, error, signal.aborted)
    throw error
  }
}

/** Tells each candidate once, when it has its outcome. Lives until the attempt's stream ends. */
function tellCandidates(output: Output, attempt: Attempt): void {
  const told = new Set<string>()
  listenTo(attempt.candidates$, record => {
    const fields = candidateFields(record, attempt.report().startedAtMs)
    if (fields === undefined || told.has(record.id)) return
    told.add(record.id)
    output.event('candidate', { session: attempt.session, ...fields })
  })
}

function tellFailure(output: Output, attempt: Attempt, error: unknown, isInterrupted: boolean): void {
  const { verdict, candidates, startedAtMs, elapsedMs } = attempt.report()
  const tried = candidates.map(record => candidateFields(record, startedAtMs) ?? { ...record, outcome: 'cancelled' })
  output.failed(error, 'failed', { session: attempt.session, ...failureOf(error), verdict, candidates: tried, elapsedMs: roundMs(elapsedMs) })
  if (isInterrupted || tried.length === 0) return
  output.say(`tried for ${showMs(elapsedMs)}${attempt.report().peerId === undefined ? '' : ` to reach ${shortId(attempt.report().peerId ?? '')}`}:`)
  for (const record of candidates) {
    const { strategy, scope, local, remote, status, error: reason } = record
    output.say(`  ${strategy.padEnd(8)}${scope.padEnd(9)}${local} → ${remote}: ${status}${reason === undefined ? '' : `, ${reason.message} (${reason.code})`}`)
  }
}
