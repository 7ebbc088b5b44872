import type { CandidateStatus } from '../../../machines/shared/candidate.types.js'
import type { Strategy } from '../../../machines/strategies.js'
import type { ErrorCode, Failure } from '../../errors/index.js'
import type { ConnectionState, PipePath, Scope } from '../../node/types.js'
import type { Family } from '../../protocol/endpoint.js'

/** Alice dials, Bob listens. */
export type Role = 'alice' | 'bob'

/** One thing that happened in a node. `atMs` is the system's monotonic clock, which all processes of a machine share. */
export type Moment = { readonly atMs: number } & (
  | { readonly kind: 'state'; readonly value: ConnectionState }
  | { readonly kind: 'signal'; readonly value: Signal }
  | { readonly kind: 'candidate'; readonly candidate: CandidateMoment }
  | { readonly kind: 'pipe'; readonly path: PipePath }
)

/** A step of signalling, or of opening the pipe. */
export type Signal = 'offer.published' | 'offer.received' | 'offer.acknowledged' | 'answer.sent' | 'answer.received' | 'open.received'

/** A candidate as it stands. */
export interface CandidateMoment {
  readonly id: string
  readonly strategy: string
  readonly scope: Scope
  readonly family: Family
  readonly method?: string
  readonly local: string
  readonly remote: string
  readonly status: CandidateStatus
  readonly code?: ErrorCode
}

/** A file as one end saw it. */
export interface Transferred {
  readonly bytes: number
  readonly sha256: string
  readonly elapsedMs: number
}

/** What a node's process is started with. */
export interface NodeSetup {
  readonly role: Role
  readonly folder: string
  readonly broker: string
  readonly stun: readonly string[]
  /** Whom Bob lets in. */
  readonly peerId?: string
  /** `--report` of this node. */
  readonly reportFile?: string
}

/** What the demo asks of a node's process. */
export type Request =
  | { readonly ask: 'send'; readonly address: string; readonly strategy: Strategy; readonly file: string; readonly timeoutMs: number }
  | { readonly ask: 'receive'; readonly file: string }
  | { readonly ask: 'stop' }

/** Why an attempt came out as it did. */
export interface Reason {
  readonly text: string
  readonly advice: string
}

/** What STUN found between a node and the internet. */
export interface Nat {
  readonly local: string
  readonly external: string
  readonly mapping: string
  readonly filtering: string
}

/** What a node's process tells the demo. */
export type Report =
  | { readonly tell: 'online'; readonly id: string; readonly address: string; readonly port: number; readonly nat?: Nat }
  | { readonly tell: 'dialled'; readonly session: string; readonly atMs: number }
  | { readonly tell: 'moment'; readonly moment: Moment }
  | { readonly tell: 'connected'; readonly path: PipePath; readonly elapsedMs: number }
  | { readonly tell: 'done'; readonly file: Transferred; readonly verdict?: Reason }
  | { readonly tell: 'failed'; readonly failure: Failure; readonly verdict?: Reason }

/** Milliseconds of the system's monotonic clock. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6
