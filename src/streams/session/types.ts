import type { Failure } from '../../errors/index.js'
import type { Clock } from '../../net/clock.js'
import type { Role } from '../../protocol/frames.js'
import type { WindowPool } from './window-pool.js'

/** What became of an OPEN (protocol 5). `accepted`, `refused` and `lost` are final. */
export type OpenEvent =
  | { readonly type: 'open.pending' }
  | { readonly type: 'open.accepted' }
  | { readonly type: 'open.refused'; readonly failure: Failure }
  | { readonly type: 'open.lost'; readonly failure: Failure }

/** What the pipeSession machine hears of a session. All but `peer.ended` are final. */
export type SessionEvent =
  | { readonly type: 'peer.ended' }
  | { readonly type: 'session.finished' }
  | { readonly type: 'session.lost'; readonly failure: Failure }
  | { readonly type: 'session.aborted'; readonly by: 'self' | 'peer'; readonly failure: Failure }

/** The application's side of a session: told when there is something to read, and when all is over. */
export interface SessionReader {
  onReadable(): void
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
