import type { Failure } from '../../errors/index.js'
import type { Clock } from '../../net/clock.js'
import type { Role } from '../../protocol/frames.js'
import type { StrategyName } from '../../protocol/strategy.js'
import type { WindowPool } from './window-pool.js'

/** What became of an OPEN (protocol 5). `accepted`, `refused` and `lost` are final. */
export type OpenEvent =
  | { readonly type: 'open.pending' }
  | { readonly type: 'open.accepted' }
  | { readonly type: 'open.refused'; readonly failure: Failure }
  | { readonly type: 'open.lost'; readonly failure: Failure }

/** What the pipeSession machine hears of a session. `finished`, `lost` and `aborted` are final. */
export type SessionEvent =
  | { readonly type: 'peer.ended' }
  /** The peer is silent too long: another path is worth looking for, while this one is still read. */
  | { readonly type: 'session.suspected' }
  /** It was suspected, and spoke. */
  | { readonly type: 'session.trusted' }
  /** No channel is left; the session goes on when one is adopted. */
  | { readonly type: 'session.suspended'; readonly failure: Failure; /** By FIN or RST. */ readonly isClosedByPeer: boolean }
  /** Another channel carries it now. */
  | { readonly type: 'session.moved' }
  /** The responder asks for another path; no strategy named: by any. */
  | { readonly type: 'path.wanted'; readonly strategies: readonly StrategyName[] }
  | { readonly type: 'session.finished' }
  | { readonly type: 'session.lost'; readonly failure: Failure }
  | { readonly type: 'session.aborted'; readonly by: 'self' | 'peer'; readonly failure: Failure }

/** The application's side of a session: told when there is something to read, whether it has a path that answers, and when all is over. */
export interface SessionReader {
  onReadable(): void
  /** No path answers; what is written waits. */
  onStalled(): void
  onResumed(): void
  /** No more bytes will move. A failure means that the stream is not whole. */
  onOver(failure: Failure | undefined): void
}

/** Identity and environment of a session. */
export interface SessionOptions {
  readonly id: string
  readonly role: Role
  readonly peerId: string
  readonly protocol: string
  readonly clock: Clock
  readonly pool: WindowPool
}

/** What one side states in OPEN, ACCEPT and ACK: what it has, and how far the other may send. */
export interface Offsets {
  readonly receivedOffset: number
  readonly maxOffset: number
}
