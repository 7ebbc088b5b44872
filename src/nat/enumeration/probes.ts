import type { ErrorCode } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import type { Transport } from '../nat-profile.js'

/** A local port by its place: ports of one run are consecutive (`index` 0, 1, …), runs begin anywhere. `assignPorts` gives them numbers. */
export interface PortSlot {
  /** Unique within an enumeration and transport. */
  readonly run: number
  readonly index: number
}

/** Asks a server how it sees a local port. */
export interface MappingProbe {
  readonly kind: 'mapping'
  readonly slot: PortSlot
  /** The server as it was named to the plan; `to` may be another endpoint of it. */
  readonly server: Endpoint
  readonly to: Endpoint
}

/** From where a server is asked to send: its other port, its other address (and port), or from there to a port that never sent anything. */
export type FilterAsk = 'other-port' | 'other-address' | 'unsolicited'

/**
 * Asks the server at `to` to send to (UDP) or dial (TCP) the mapping of `slot` from elsewhere; for `unsolicited`, the one of `listen`. First a
 * plain request from `slot`, so that silence means a filter.
 */
export interface FilteringProbe {
  readonly kind: 'filtering'
  readonly slot: PortSlot
  /** Bound, and silent until something comes in; with `unsolicited`. */
  readonly listen?: PortSlot
  readonly server: Endpoint
  readonly to: Endpoint
  readonly ask: FilterAsk
  /** Over UDP asked so many times, `gapMs` apart: packets get lost. */
  readonly tries: number
  readonly gapMs: number
}

/** Has two local ports learn their mappings from `to`, then send to, or dial, each other's. */
export interface HairpinProbe {
  readonly kind: 'hairpin'
  readonly slots: readonly [PortSlot, PortSlot]
  readonly server: Endpoint
  readonly to: Endpoint
}

export type Probe = MappingProbe | FilteringProbe | HairpinProbe

/**
 * Probes to be made at once. All ports are bound first; then everything leaves in the order of the list, back to back, before anything else
 * is waited for. Sockets stay open until the batch ends, and are ended then (TCP by FIN). When it ends: `patienceMs`.
 */
export interface ProbeBatch {
  readonly transport: Transport
  /**
   * discover: who answers, and what they say of one port. allocate: mappings of fresh ports. behave: filtering, hairpin and, last of all, two
   * mappings where there is a counter. recheck: how far that counter has moved since.
   */
  readonly purpose: 'discover' | 'allocate' | 'behave' | 'recheck'
  /** Its place in the enumeration, from 0. */
  readonly index: number
  readonly probes: readonly Probe[]
  /** What is unanswered so long after its start has failed, whatever else is known. */
  readonly maxMs: number
  /** Not before; by the clock of `sentAtMs`. */
  readonly startsAtMs?: number
  /** The number of the local port at index 0, where a run of another batch goes on. */
  readonly firstPort?: number
}

/**
 * What became of a mapping probe. `order` ranks the probes of a batch by when they left; `sentAtMs` is when, by a
 * clock that never steps; `rttMs` from then to the answer, TCP connect included.
 */
export type MappingObservation = MappingProbe & {
  readonly order: number
} & (
    | { readonly local: Endpoint; readonly mapped: Endpoint; readonly other?: Endpoint; readonly sentAtMs: number; readonly rttMs: number; readonly failure?: undefined }
    | { readonly failure: ErrorCode; readonly mapped?: undefined }
  )

/** `nothing`: the plain request was answered, all tries were made, none arrived. `unsupported`: the server won't. */
export type FilteringObservation = FilteringProbe & { readonly outcome: 'arrived' | 'nothing' | 'unsupported' | ErrorCode }

/** `nothing`: both mappings were learnt and nothing arrived. */
export type HairpinObservation = HairpinProbe & { readonly outcome: 'arrived' | 'nothing' | ErrorCode }

/** Plain data; what the classification works on. */
export type Observation = MappingObservation | FilteringObservation | HairpinObservation

/** A batch and all that became of it, one observation for each of its probes. */
export interface ProbeRound {
  readonly batch: ProbeBatch
  readonly observations: readonly Observation[]
}

/** An answered mapping probe. */
export type Mapped = Extract<MappingObservation, { readonly mapped: Endpoint }>

/** The answered mapping probes of a transport, in the order they left; batches one after the other. */
export const mappedOf = (rounds: readonly ProbeRound[], transport: Transport): readonly Mapped[] =>
  rounds
    .filter(({ batch }) => batch.transport === transport)
    .flatMap(({ observations }) => observations.filter(isMapped).sort((a, b) => a.order - b.order))

const isMapped = (one: Observation): one is Mapped => one.kind === 'mapping' && one.mapped !== undefined

/** Equal for equal slots. */
export const slotKey = ({ run, index }: PortSlot): string => `${run}/${index}`

/** A port that could not be had says nothing of the network. */
export const wasSent = ({ failure }: MappingObservation): boolean => failure === undefined || !local.has(failure)

const local: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ERR_PORT_IN_USE', 'ERR_LISTEN', 'ERR_NO_INTERFACE', 'ERR_DIAL_LOCAL'])
