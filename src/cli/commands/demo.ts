import { strategyOrder, type Strategy } from '../../../machines/strategies.js'
import { codes } from '../../errors/index.js'
import type { Command } from '../context.js'
import { NoHomes, openHomes } from '../demo/homes.js'
import { NodeFailure } from '../demo/node-process.js'
import { openLoopback, type OpenPlace } from '../demo/place.js'
import { Programme } from '../demo/programme.js'
import { Stage } from '../demo/stage.js'
import { exitOf, failureOf, interruptedExit } from '../failure.js'
import { aborted } from '../interrupt.js'
import type { Settings } from '../settings.js'

/** Enough to see a throughput, little enough for a slow machine. */
const mebibytes = 16
/** Both nodes are on this machine: what has not come about by then never will. */
const attemptTimeoutMs = 10_000

/** `throughline demo`: a file through each strategy's pipe, between two processes of this machine. Exit code 0 only when all bytes matched. */
export const demo: Command = async ({ settings, output, stdout, signal }) => {
  const programme = new Programme(output, stdout)
  const stage = new Stage({ mebibytes, signal, onReport: (role, told) => programme.take(role, told) })
  const work = perform(programme, stage, settings, signal)
  try {
    return await Promise.race([work, aborted(signal).then(() => interruptedExit)])
  } finally {
    work.catch(() => {})
    await stage.tearDown()
  }
}

/** A relay is a server of somebody's: none is started here. */
const shownStrategies: readonly Strategy[] = strategyOrder.filter(strategy => strategy !== 'relay')

async function perform(programme: Programme, stage: Stage, { strategies = shownStrategies, timeoutMs = attemptTimeoutMs, report }: Settings, signal: AbortSignal): Promise<number> {
  const exits: number[] = []
  const show = async (open: OpenPlace, chosen: readonly Strategy[], reportFile?: string) => {
    if (chosen.length === 0) return
    programme.introduce(stage, await stage.set(async options => {
      const place = await open(options)
      programme.open(place)
      return place
    }, reportFile))
    for (const strategy of chosen) {
      programme.announce(exits.length, strategy)
      const outcome = await act(stage, strategy, timeoutMs)
      signal.throwIfAborted()
      exits.push(tell(programme, stage, strategy, outcome))
    }
    await stage.clear()
  }
  await show(openLoopback, strategies.filter(strategy => strategy !== 'punch' && strategy !== 'relay'), report)
  try {
    await show(openHomes, strategies.filter(strategy => strategy === 'punch'), report && `${report}.punch`)
  } catch (error) {
    if (!(error instanceof NoHomes)) throw error
    programme.skip('punch', error.message)
  }
  if (strategies.includes('relay')) programme.skip('relay', 'this demo starts no TURN server')
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
