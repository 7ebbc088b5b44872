import type { Observable } from 'rxjs'
import type { AnyActorRef, InspectionEvent } from 'xstate'
import type { CandidateRecord, Verdict } from '../../machines/shared/candidate.types.js'
import type { AttemptMode, Strategy } from '../../machines/strategies.js'
import type { ErrorCode, Failure } from '../errors/index.js'
import type { InterfaceProfile } from '../nat/nat-profile.js'
import type { ProvenPath } from '../nat/path-memory.js'
import type { Family } from '../protocol/endpoint.js'
import type { ConnectionState, Pipe } from '../streams/pipe/types.js'

export type { ConnectionState, Messages, MoveReason, Pipe, PipePath, PipeStats, RepathOptions, Scope } from '../streams/pipe/types.js'

/** What `authorize` is asked, once per session, before anything of this node is revealed. */
export interface AuthorizeRequest {
  readonly peerId: string
  readonly protocol: string
  readonly strategies: readonly Strategy[]
}

/** True, false, or the subset of strategies this peer may use. */
export type AuthorizeAnswer = boolean | readonly Strategy[]

/** Options of `createNode`; all optional. */
export interface NodeOptions {
  /** Path of the key file (PEM, 0600, made on first use), or `{ seed }` with 32 bytes. Default: `~/.config/throughline/identity.pem`. */
  readonly identity?: string | { readonly seed: Uint8Array }
  /** A label for people; travels nowhere yet. */
  readonly name?: string
  /** Broker URLs, `mqtt:`, `mqtts:`, `ws:`, `wss:`. Default: a dated public list; `[]` = no signalling. */
  readonly mqtt?: readonly string[]
  readonly stun?: readonly string[]
  /** TURN servers, `turn:USER:PASSWORD@HOST:PORT?transport=tcp`, `turns:` for TLS. Default: none. */
  readonly turn?: readonly string[]
  readonly ntp?: readonly string[]
  /** Interface names to use; default: every usable one. */
  readonly interfaces?: readonly string[]
  /** 0 (default) = any free port, the same for both families. */
  readonly listenPort?: number
  readonly portMapping?: boolean
  /** Ids that may connect, or `'any'`. Default: every authenticated peer, as a stranger. */
  readonly allow?: readonly string[] | 'any'
  readonly authorize?: (request: AuthorizeRequest, context: { readonly signal: AbortSignal }) => AuthorizeAnswer | Promise<AuthorizeAnswer>
  readonly birthday?: 'auto' | 'off'
  /** How long a pipe whose path broke waits for another one, ms; default 60,000. 0: it fails at once. */
  readonly suspendMs?: number
  /** False: only for own dials. Takes no lock on the identity, listens on an ephemeral port for its own attempts, serves no topic. */
  readonly inbound?: boolean
  /** Receives the inspection events of every actor. */
  readonly inspect?: (event: InspectionEvent) => void
  readonly signal?: AbortSignal
}

/** Options of `connect` and `dial`; all optional. */
export interface DialOptions {
  /** Limits and orders the strategies. */
  readonly strategies?: readonly Strategy[]
  /** Default `race`. */
  readonly mode?: AttemptMode
  /** Whole attempt, default 30,000 ms. */
  readonly timeoutMs?: number
  /** At most 255 bytes; default `''`. */
  readonly protocol?: string
  /** At most 16 KiB; they travel with OPEN and arrive one round trip earlier. */
  readonly firstBytes?: Uint8Array
  readonly signal?: AbortSignal
}

/** What happened in an attempt, complete enough to explain it. */
export interface AttemptReport {
  readonly session: string
  readonly attempt: string
  readonly peerId?: string
  /** How the last pipe to the peer from this network came up; this is tried first. Absent where nothing is known, or direct dials led to it, which are always made first. */
  readonly remembered?: ProvenPath
  readonly protocol: string
  readonly strategies: readonly Strategy[]
  readonly mode: AttemptMode
  readonly state: ConnectionState
  readonly startedAtMs: number
  readonly elapsedMs: number
  readonly signalling: {
    readonly state: string
    readonly brokers: readonly string[]
    /** The peer's wall clock minus ours, once it has answered. */
    readonly peerClock?: { readonly offsetMs: number; readonly uncertaintyMs: number }
    readonly error?: Failure
  }
  readonly candidates: readonly CandidateRecord[]
  readonly verdict: Verdict
}

/** A running attempt; returned at once by `dial`. */
export interface Attempt {
  readonly session: string
  /** Replays the states so far; completes when the pipe is closed, or the attempt has failed. */
  readonly state$: Observable<ConnectionState>
  /** Each change of a candidate; replays those so far. */
  readonly candidates$: Observable<CandidateRecord>
  /** The XState actor of the connection (its child `attempt` is the attempt). */
  readonly actor: AnyActorRef
  /** Resolves when the responder has accepted; rejects with a `ConnectError`. */
  readonly pipe: Promise<Pipe>
  report(): AttemptReport
}

/** What is known of the network by one interface and family. `profile`s are all unknown until the first enumeration ended. */
export interface NetworkInterface extends InterfaceProfile {
  /** `stale`: the network changed since, or nobody answered the last time; what is told was true before. */
  readonly state: 'sampling' | 'known' | 'stale'
  /** Why nothing, or nothing new, could be learnt. */
  readonly error?: Failure
}

/** How far this node's clock (`Date.now` when the process started, monotonic since) is off true time. */
export interface ClockSummary {
  /** True time = ours + this. */
  readonly offsetMs: number
  /** The error is smaller. */
  readonly uncertaintyMs: number
  /** The servers that agree. */
  readonly source: string
}

/** A TURN server of this node. */
export interface RelaySummary {
  /** `HOST:PORT`, without credentials. */
  readonly server: string
  /** `unusable`: this version has no use for it, `error` says why. */
  readonly state: 'asking' | 'serving' | 'failed' | 'unusable'
  /** Of the relayed address. */
  readonly family?: Family
  /** The relayed address, without its port. */
  readonly relayed?: string
  /** Our address as the server sees it. */
  readonly mapped?: string
  /** Of the latest request that was answered, ms. */
  readonly rttMs?: number
  readonly error?: Failure
}

/** What a node knows about its network; grows as probes answer. */
export interface NetworkSummary {
  readonly interfaces: readonly NetworkInterface[]
  /** TCP ports kept ready for a punch, at most one per interface and family: our endpoint, and how the world sees it. */
  readonly sparePorts: readonly { readonly local: string; readonly mapped: string }[]
  /** Null while unsynchronised; `clockError` tells why, once that is known. */
  readonly clock: ClockSummary | null
  readonly clockError?: Failure
  readonly listenPort: number
  /** The TURN servers it was given, in their order. */
  readonly relays: readonly RelaySummary[]
  readonly brokers: readonly { readonly url: string; readonly state: string; readonly rttMs?: number }[]
  readonly budgets: Readonly<Record<string, { readonly used: number; readonly limit: number }>>
}

/** How a protocol is served. */
export interface HandleOptions {
  /** Asked for each authorised request, before it is accepted; a code refuses it. */
  readonly accept?: () => true | ErrorCode
}

/** One peer of the network: listens, dials, and is found. */
export interface Node {
  readonly id: string
  readonly name: string | undefined
  /** Text to give to others; see `address$` for changes. `''` in an outbound-only node. */
  readonly address: string
  readonly address$: Observable<string>
  /** Inbound pipes of the default protocol `''`; subscribing makes this node handle it. */
  readonly pipes$: Observable<Pipe>
  readonly state$: Observable<string>
  readonly network$: Observable<NetworkSummary>
  readonly actor: AnyActorRef
  /** Brokers that did not come up yet and services this version lacks, for the `online` event. */
  readonly degraded: readonly string[]
  connect(peer: string, options?: DialOptions): Promise<Pipe>
  dial(peer: string, options?: DialOptions): Attempt
  /**
   * Serves a protocol; returns what removes the handler. `accept` is asked for each pipe: a code refuses it (ERR_BUSY,
   * say). A handler that throws or rejects ends its pipe with ERR_HANDLER_FAILED, here and there.
   */
  handle(protocol: string, handler: (pipe: Pipe) => void | Promise<void>, options?: HandleOptions): () => void
  /** Every probe of the first round has its answer or time-out; at most 10 s. */
  settled(options?: { readonly signal?: AbortSignal }): Promise<void>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
