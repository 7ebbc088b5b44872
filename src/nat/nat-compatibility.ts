import type { NatProfile } from './nat-profile.js'
import type { PunchMethod as AnyPunchMethod } from './punch/volley.js'

/** What decides about a pair; every NatProfile has it, and so does the NAT of an interface record. */
export type NatTraits = Pick<NatProfile, 'mapping' | 'filtering' | 'allocation'>

/** `likely`: a matter of chance or of other traffic. `unknown`: not enough is known, so it is tried. */
export type Chance = 'yes' | 'likely' | 'no' | 'unknown'

/** How a punch between two NATs comes through: see `PairOutcome`. */
export type PunchMethod = Exclude<AnyPunchMethod, 'hairpin'>

/** What can be had between two networks, by theory (DESIGN.md 4); a pair is tried all the same. */
export interface PairOutcome {
  /** We dial the peer's listening port. */
  readonly direct: Chance
  /** The peer dials ours. */
  readonly reverse: Chance
  readonly punch: Chance
  /**
   * The surest way to punch: by the mappings both keep; one side listens behind a mapping that lets the other in; by predicted
   * ports; by many ports at once. Undefined where none can work.
   */
  readonly method: PunchMethod | undefined
  /** Nothing but a relay joins the two. */
  readonly needsRelay: boolean
}

/** What will work between a network and another one. */
export function pairOutcome(ours: NatTraits, theirs: NatTraits): PairOutcome {
  const direct = openness(theirs)
  const reverse = openness(ours)
  const { punch, method } = punchOutcome(ours, theirs)
  return { direct, reverse, punch, method, needsRelay: [direct, reverse, punch].every(chance => chance === 'no') }
}

/** A network others may be in, for a report. */
export interface PeerKind {
  readonly name: string
  readonly traits: NatTraits
}

/** The kinds of networks peers are in, easiest first. */
export const peerKinds: readonly PeerKind[] = [
  { name: 'open internet', traits: { mapping: 'none', filtering: 'none', allocation: 'none' } },
  { name: 'symmetric firewall', traits: { mapping: 'none', filtering: 'address-and-port-dependent', allocation: 'none' } },
  { name: 'full cone', traits: { mapping: 'endpoint-independent', filtering: 'endpoint-independent', allocation: 'equal' } },
  { name: 'restricted', traits: { mapping: 'endpoint-independent', filtering: 'address-dependent', allocation: 'equal' } },
  { name: 'port restricted', traits: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', allocation: 'equal' } },
  { name: 'symmetric, predictable', traits: { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'sequential' } },
  { name: 'symmetric, random', traits: { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'random' } },
]

/** What will work between this network and each kind of peer. */
export const compatibility = (ours: NatTraits): readonly (PairOutcome & { readonly peer: string })[] =>
  peerKinds.map(({ name, traits }) => ({ peer: name, ...pairOutcome(ours, traits) }))

/** Whether a listening port, which never sends first, can be dialled. */
function openness({ mapping, filtering }: NatTraits): Chance {
  if (mapping === 'none' && filtering === 'none') return 'yes'
  if (mapping === 'none' && (filtering === 'unknown' || filtering === 'endpoint-independent')) return 'unknown'
  return mapping === 'unknown' && filtering === 'unknown' ? 'unknown' : 'no'
}

type Punch = Pick<PairOutcome, 'punch' | 'method'>

function punchOutcome(ours: NatTraits, theirs: NatTraits): Punch {
  const surest = surestPunch(ours, theirs)
  return ours.mapping === 'unknown' || theirs.mapping === 'unknown' ? { ...surest, punch: 'unknown' } : surest
}

function surestPunch(ours: NatTraits, theirs: NatTraits): Punch {
  const [one, other] = [mobility(ours), mobility(theirs)]
  if (one === 'kept' && other === 'kept') return { punch: 'yes', method: 'mapping' }
  if (one === 'open' || other === 'open') return { punch: 'yes', method: 'listen' }
  if (one === 'kept') return keptAndMoving(ours, other)
  if (other === 'kept') return keptAndMoving(theirs, one)
  return bothMoving(ours, one, theirs, other)
}

/**
 * Where a peer can hit a side: `kept`, its mapping is the same for every destination (as long as nobody knows better); `open`, it is not,
 * but that of any destination lets everybody in; `predictable`, the mapping towards the peer can be foretold; or it is `random`.
 */
export type Mobility = 'kept' | 'open' | 'predictable' | 'random'

/** Tells by mapping, filtering and allocation. */
export function mobility({ mapping, filtering, allocation }: NatTraits): Mobility {
  if (mapping !== 'address-dependent' && mapping !== 'address-and-port-dependent') return 'kept'
  if (filtering === 'none' || filtering === 'endpoint-independent') return 'open'
  return allocation === 'random' || allocation === 'unknown' || allocation === 'none' ? 'random' : 'predictable'
}

/** Once a side has sent to the other's address, its filter need not know the port. */
export const letsAnyPortIn = ({ filtering }: NatTraits): boolean => filtering === 'none' || filtering === 'endpoint-independent' || filtering === 'address-dependent'

function keptAndMoving(kept: NatTraits, moving: Mobility): Punch {
  if (letsAnyPortIn(kept)) return { punch: 'yes', method: 'listen' }
  return { punch: 'likely', method: moving === 'predictable' ? 'predicted' : 'birthday' }
}

function bothMoving(ours: NatTraits, one: Mobility, theirs: NatTraits, other: Mobility): Punch {
  if (one === 'predictable' && other === 'predictable') return { punch: 'likely', method: 'predicted' }
  if (one === 'random' && other === 'random') return { punch: 'no', method: undefined }
  const predictable = one === 'predictable' ? ours : theirs
  // its port is foretold, and the other's need not be known
  if (letsAnyPortIn(predictable)) return { punch: 'likely', method: 'predicted' }
  // one port for all of the other's: many of these can be tried
  if (predictable.mapping === 'address-dependent') return { punch: 'likely', method: 'birthday' }
  return predictable.filtering === 'unknown' ? { punch: 'unknown', method: 'predicted' } : { punch: 'no', method: undefined }
}
