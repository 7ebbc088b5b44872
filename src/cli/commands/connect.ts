import type { Command } from '../context.js'
import { dialPeer } from '../dial-peer.js'
import { join } from '../join.js'
import { untilOver } from '../until-over.js'

/** `throughline connect PEER`: stdin to the pipe, the pipe to stdout. Writes nothing else to stdout. */
export const connect: Command = async context => {
  const node = await context.openNode({ inbound: false })
  const { pipe, watch } = await dialPeer(context, node, context.words[0] ?? '')
  return untilOver(context, watch, join(pipe, { source: context.stdin, sink: context.stdout, endSink: false }))
}
