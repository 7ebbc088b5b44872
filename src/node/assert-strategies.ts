import { strategyOrder, type Strategy } from '../../machines/strategies.js'
import { ThroughlineError } from '../errors/index.js'

/** Throws ERR_STRATEGY_UNKNOWN for a list with anything but strategies of this version, and for an empty one. */
export function assertStrategies(strategies: readonly string[] | undefined): asserts strategies is readonly Strategy[] | undefined {
  const known: readonly string[] = strategyOrder
  const unknown = strategies?.find(strategy => !known.includes(strategy))
  if (unknown !== undefined) throw new ThroughlineError('ERR_STRATEGY_UNKNOWN', `${unknown} is no strategy of this version; there are ${known.join(', ')}`)
  if (strategies?.length === 0) throw new ThroughlineError('ERR_STRATEGY_UNKNOWN', `no strategy is left; there are ${known.join(', ')}`)
}
