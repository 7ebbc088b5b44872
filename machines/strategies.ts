import type { StrategyName } from '../src/protocol/strategy.js'

/**
 * The strategies of this version, in the order they are tried. This is the place to change the order: `race` starts
 * all of them in this order, `sequence` one after the other. Each has a folder here.
 */
export const strategyOrder = ['direct', 'reverse', 'punch', 'relay'] as const satisfies readonly StrategyName[]

/** A way to get a channel to a peer. */
export type Strategy = (typeof strategyOrder)[number]

/** Strategies whose initiator can do nothing before its offer is made; most attempts end sooner. */
export const followsOffer: readonly Strategy[] = ['reverse', 'punch', 'relay']

/** `race` starts what is cheap first and staggers the rest; `sequence` tries strategy by strategy, as P2PD does. */
export type AttemptMode = 'race' | 'sequence'
