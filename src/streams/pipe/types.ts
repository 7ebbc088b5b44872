import type { Duplex } from 'node:stream'
import type { Observable } from 'rxjs'
import type { ErrorCode } from '../../errors/index.js'
import type { PunchMethod } from '../../nat/punch/volley.js'
import type { Family } from '../../protocol/endpoint.js'
import type { StrategyName } from '../../protocol/strategy.js'

/** `local`: the remote endpoint is ours or in an on-link prefix of the interface used; else `external`. */
export type Scope = 'local' | 'external'

/** State of a connection as people see it (docs/cli.md, event `state`). */
export type ConnectionState = 'resolving' | 'connecting' | 'electing' | 'connected' | 'recovering' | 'closed' | 'failed'

/** Why a pipe moved. */
export const moveReasons = ['recovery', 'upgrade', 'repath'] as const
export type MoveReason = (typeof moveReasons)[number]

/** How a pipe goes. Endpoints are text, as our own socket sees them. */
export interface PipePath {
  readonly strategy: StrategyName
  readonly scope: Scope
  readonly family: Family
  readonly local: string
  readonly remote: string
  /** By a relay: the endpoint of the TURN server; `remote` is the relayed address. */
  readonly relay?: string
  /** How a punch came through. */
  readonly method?: PunchMethod
  readonly rttMs: number
  /** Of a pipe that has moved: why. */
  readonly reason?: MoveReason
}

/** What `repath` asks for. */
export interface RepathOptions {
  /** By which strategies, tried together; default: those of the dial. */
  readonly strategies?: readonly StrategyName[]
  readonly signal?: AbortSignal
}

/** Byte counts of a pipe since it was opened. */
export interface PipeStats {
  readonly bytesIn: number
  readonly bytesOut: number
  /** Sent bytes the peer has acknowledged. */
  readonly acknowledged: number
  readonly rttMs: number
}

/** Framed messages over a pipe; takes over its reading side. */
export interface Messages {
  /** Resolves when the message is handed to the pipe (its back-pressure). Rejects ERR_MESSAGE_TOO_LARGE. */
  send(bytes: Uint8Array): Promise<void>
  /** The next message that passes the filter, others are skipped; undefined at a clean end. Pauses the source while nobody receives. */
  receive(options?: { readonly filter?: (message: Uint8Array) => boolean; readonly signal?: AbortSignal }): Promise<Uint8Array | undefined>
  /** All messages; does not pause the source while subscribed. */
  readonly messages$: Observable<Uint8Array>
}

/**
 * An encrypted, ordered, reliable byte stream to an authenticated peer: a Node Duplex with half-close and
 * back-pressure. An error is told by the stream's error event and by `state$`; unlike a socket's, an unheard one does
 * not end the process, since the other side causes it.
 */
export interface Pipe extends Duplex {
  /** 32 hex digits; names this pipe on both sides for its whole life. */
  readonly session: string
  readonly protocol: string
  readonly role: 'initiator' | 'responder'
  /** Who is at the other end, proved by its key. */
  readonly peer: { readonly id: string }
  readonly path: PipePath
  /** From the dial, the offer or the OPEN to the open pipe, ms. */
  readonly elapsedMs: number
  /** Replays the current state. */
  readonly state$: Observable<ConnectionState>
  /** Replays the current path. */
  readonly path$: Observable<PipePath>
  /** Incoming bytes. Lossless, and never pauses the source: the pipe is in flowing mode while subscribed. */
  readonly data$: Observable<Uint8Array>
  readonly stats: PipeStats
  /** True when nothing of ours is waiting for acknowledgement, and there is a path to leave by. */
  readonly isIdle: boolean
  messages(options?: { readonly maxMessageBytes?: number }): Messages
  /**
   * Moves the pipe to another path and resolves to it; not a byte is lost, and the pipe stays where it is when none is found.
   * Rejects with the failure of the search, ERR_SUPERSEDED, ERR_TIMEOUT (a responder asks the initiator), ERR_PIPE_CLOSED or
   * ERR_CANCELLED. From then on the pipe is not moved to a better path unasked.
   */
  repath(options?: RepathOptions): Promise<PipePath>
  /** Ends our side, waits until the peer has acknowledged every byte, gives up reading. Rejects when bytes may be lost. */
  close(): Promise<void>
  /** Ends both directions at once; the peer sees `code`. */
  abort(code: ErrorCode): void
  [Symbol.asyncDispose](): Promise<void>
}
