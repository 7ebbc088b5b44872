import type { Family } from '../protocol/endpoint.js'
import type { NatBehaviour, NatSummary, PortAllocation } from '../protocol/interface-record.js'

/** A NAT may treat the two differently, so each is measured by itself. */
export type Transport = 'tcp' | 'udp'

/** P2PD's (RFC 3489's) name for mapping and filtering together; `cone` where filtering is not known. */
export type ClassicKind =
  | 'open internet'
  | 'symmetric firewall'
  | 'full cone'
  | 'restricted'
  | 'port restricted'
  | 'cone'
  | 'symmetric'
  | 'blocked'
  | 'unknown'

/** P2PD's name for the allocation. */
export type ClassicDelta = 'equal' | 'preserving' | 'independent' | 'dependent' | 'random'

/** `port restricted, equal`: the kind, and behind a NAT the delta where it is known. */
export type ClassicName = ClassicKind | `${ClassicKind}, ${ClassicDelta}`

/** How a network treats one transport, as a peer outside sees it: several NATs in a row are one. */
export interface NatProfile extends NatSummary {
  /** `none`: external and local endpoint are equal for every server. Which of the two dependent kinds it is when no server has a second port: the stricter. */
  readonly mapping: NatBehaviour
  /** `none` only if something came in unasked; `unknown` unless tested. */
  readonly filtering: NatBehaviour
  /** Of the first mapping of a fresh local port. */
  readonly allocation: PortAllocation
  /** `offset`: external - local port; `sequential`, `dependent`: from one new mapping to the next; else 0. */
  readonly delta: number
  /** Lowest and highest external port seen; null when none was. */
  readonly range: readonly [low: number, high: number] | null
  /**
   * 0 to 1: how likely the next fresh mapping comes out as mapping, allocation and delta say. By Laplace's rule,
   * (agreeing + 1) / (all + 2), over the observations that could have contradicted; halved where only one server vouches
   * for it; times the chance that nobody else's mapping moves the counter in the 150 ms between sample and use, exp(-rate x time), by
   * the rate seen in some 800 ms of the enumeration: traffic makes predictions miss. 0 where nothing is known.
   */
  readonly confidence: number
  readonly classic: ClassicName
  /** No server answers by this transport, and some of these answer by the other. */
  readonly blocked: boolean
}

/** What is known of the network by one interface and family; plain data (`network$`, `throughline nat --json`). */
export interface InterfaceProfile {
  readonly name: string
  readonly family: Family
  /** Our address there. */
  readonly local: string
  /** The address the world sees, by agreement of servers; null when they disagree or none answered. */
  readonly external: string | null
  /** Whether two local ports reach each other by their external endpoints (RFC 4787 section 6); null = not tested, or no NAT. */
  readonly hairpin: Readonly<Record<Transport, boolean | null>>
  /** A NAT of the provider lies behind the one of this site (RFC 6888), as far as addresses tell. */
  readonly cgnatSuspected: boolean
  readonly tcp: NatProfile
  readonly udp: NatProfile
}
