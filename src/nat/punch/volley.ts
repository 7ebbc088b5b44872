import type { Family } from '../../protocol/endpoint.js'
import type { InterfaceRecord } from '../../protocol/interface-record.js'

/**
 * How a punch comes through: by mappings both sides keep; by a listening port behind a mapping that is kept; by a foretold
 * port; by many ports at once; by a mapping of the NAT both are behind.
 */
export type PunchMethod = 'mapping' | 'listen' | 'predicted' | 'birthday' | 'hairpin'

/** Ports of ours to punch from, by one interface and family; plain data (docs/decisions/0015). */
export interface PunchSite {
  /** Our address; also the source of every SYN. */
  readonly host: string
  /** From which SYNs leave; 0 = a fresh one each. */
  readonly localPorts: readonly number[]
  /** What the peer is told. `external` is where it can hit us: a mapping that is kept, or an aim; without it only `local` can be dialled. */
  readonly record: InterfaceRecord
}

/** SYNs from ports of ours to one place of the peer's; plain data. One candidate of an attempt. */
export interface Volley {
  readonly method: PunchMethod
  readonly scope: 'local' | 'external'
  readonly family: Family
  /** Our address; the source of every SYN. */
  readonly host: string
  /** Each sends to every remote port; 0 = a fresh one. */
  readonly localPorts: readonly number[]
  /** An IP literal, with our zone where it is link-local. */
  readonly remoteHost: string
  /** In the order in which they are sent to; the first is the one most hoped for. None: we only listen. */
  readonly remotePorts: readonly number[]
  /**
   * Besides, by a birthday punch: SYNs in bursts of so many, each from a fresh port to the first remote port; or, where `random` is given,
   * from the last local port (the same one where that was fresh). No SYN of such a volley goes out again by itself.
   */
  readonly bursts?: readonly number[]
  /** The bursts go to ports of this range, each drawn once. */
  readonly random?: { readonly low: number; readonly high: number }
  /** After its first SYN (at once where it has none to send) each local port listens, so long at least before more is sent from it; Infinity = to the end. */
  readonly listenMs?: number
  /** Waits so long before its first SYN. */
  readonly delayMs: number
}
