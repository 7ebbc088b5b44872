import type { AttemptContext, ReadyChannel } from './attempt.types.js'
import { strategiesOf } from './rounds.js'

/** The channel to open next: the first that is ready, one by relay only where there is no other. */
export const best = (context: AttemptContext): ReadyChannel | undefined => context.ready.find(channel => !isByRelay(context, channel)) ?? context.ready[0]

/**
 * Whether a channel may be opened now. One by relay gives way to what is better: until the grace is over, or nothing else
 * is tried any more.
 */
export function isElectable(context: AttemptContext): boolean {
  const channel = best(context)
  if (channel === undefined) return false
  const hasRival = [...context.running, ...context.deferred].some(strategy => strategy !== 'relay')
  return !isByRelay(context, channel) || context.isGraceOver || !hasRival
}

/** Nothing but a relay is tried in this round. */
export const isRelayAlone = (context: AttemptContext): boolean => strategiesOf(context).every(strategy => strategy === 'relay')

const isByRelay = ({ candidates }: AttemptContext, { candidateId }: ReadyChannel): boolean => candidates[candidateId]?.strategy === 'relay'
