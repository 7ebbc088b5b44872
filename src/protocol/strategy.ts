/** Strategies the protocol has numbers for (protocol 4.3); machines/strategies.ts says which of them this version tries, in which order. */
export const strategyNames = ['direct', 'reverse', 'punch', 'relay'] as const

/** Name of a way to get a channel to a peer. */
export type StrategyName = (typeof strategyNames)[number]

/** The numbers of strategies on the wire (protocol 4.3). */
export const strategyCodes = (strategies: readonly StrategyName[]): Uint8Array => Uint8Array.from(strategies, strategy => strategyNames.indexOf(strategy) + 1)

/** Strategies by their numbers; those of later versions are ignored, and so are repetitions. */
export const strategiesOfCodes = (codes: Uint8Array): readonly StrategyName[] => [...new Set(codes)].flatMap(code => strategyNames[code - 1] ?? [])
