import type { ErrorCode } from '../../errors/index.js'
import type { Node, Pipe } from '../../node/types.js'
import type { Command, CommandContext } from '../context.js'
import { interruptedExit } from '../failure.js'
import { aborted } from '../interrupt.js'
import { listenMode, type ListenMode, type Serve } from '../listen-mode.js'
import { untilOver } from '../until-over.js'
import { listenTo, watchPipe } from '../watch-pipe.js'

/** `throughline listen`: serves pipes until a signal, with --once until the first has ended. */
export const listen: Command = async context => {
  const mode = listenMode(context)
  const node = await context.openNode()
  const { first, live } = serveAll(context, node, mode)
  tellOnline(context, node)
  const outcome = await Promise.race([context.settings.once === true ? first : new Promise<never>(() => {}), aborted(context.signal)])
  await Promise.all(live)
  return outcome ?? interruptedExit
}

/** Registers the handlers. `first` is the result of the first pipe; `live` holds the pipes being served, as many as the node lets in. */
function serveAll(context: CommandContext, node: Node, { isStdio, handlers }: ListenMode): { first: Promise<number>; live: ReadonlySet<Promise<void>> } {
  const live = new Set<Promise<void>>()
  const isSingle = isStdio || context.settings.once === true
  let isTaken = false
  const accept = (): true | ErrorCode => (isSingle && isTaken ? 'ERR_BUSY' : true)
  const first = new Promise<number>((resolve, reject) => {
    const onPipe = (serve: Serve) => (pipe: Pipe) => {
      pipe.on('error', ignore)
      if (accept() !== true) return pipe.abort('ERR_BUSY')
      isTaken = true
      const work = serveOne(context, pipe, serve)
      work.then(resolve, reject)
      const served = work.then(ignore, (error: unknown) => context.settings.once !== true && context.output.error(error, { session: pipe.session })).then(() => {
        live.delete(served)
        if (isStdio && !context.signal.aborted) context.output.say('stdin and stdout are used up, so other pipes are refused; interrupt to leave, or start with --once')
      })
      live.add(served)
    }
    for (const [protocol, serve] of handlers) node.handle(protocol, onPipe(serve), { accept })
  })
  first.catch(ignore)
  return { first, live }
}

const serveOne = (context: CommandContext, pipe: Pipe, serve: Serve): Promise<number> => {
  const { elapsedMs } = pipe as { elapsedMs?: number }
  return untilOver(context, watchPipe(context.output, pipe, 'pipe', elapsedMs), serve(pipe))
}

function tellOnline({ output }: CommandContext, node: Node): void {
  const { id, name, degraded } = node
  let address = node.address
  output.event('online', { id, address, ...(name === undefined ? {} : { name }), degraded })
  output.say(`online${name === undefined ? '' : ` as ${name}`}, id ${id}`)
  if (degraded.length > 0) output.say(`without ${degraded.join(', ')}`)
  output.say(`connect with: npx throughline connect ${address}`)
  listenTo(node.address$, next => {
    if (next === address) return
    address = next
    output.event('address', { address })
    output.say(`new address: npx throughline connect ${address}`)
  })
}

const ignore = () => {}
