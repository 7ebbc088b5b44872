/** Strategies the protocol has numbers for (protocol 4.3); machines/strategies.ts says which of them this version tries, in which order. */
export const strategyNames = ['direct', 'reverse', 'punch', 'relay'] as const

/** Name of a way to get a channel to a peer. */
export type StrategyName = (typeof strategyNames)[number]
