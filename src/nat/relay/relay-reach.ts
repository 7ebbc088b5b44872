/** How a relay joins two sides (docs/decisions/0017): the peer comes to our relayed endpoint, we connect to the peer's, or our allocation does. */
export type RelayWay = 'await' | 'dial' | 'connect'

/** What a candidate by relay is reached by. */
export interface RelayReach {
  readonly way: RelayWay
  /** Endpoint of the relay, for people. */
  readonly server: string
  /** Of ours, in the table of allocations; a dial needs none. */
  readonly allocationId?: string
  /** Nothing better is tried beside it: OPEN may leave with HELLO. */
  readonly isAlone: boolean
}
