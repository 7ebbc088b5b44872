import type { ErrorCode } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'

/** Where a link delivers. */
export interface LinkHandlers {
  /** One STUN message or ChannelData, not decoded. */
  onMessage(bytes: Buffer): void
  /** Called once, when nothing more can come. */
  onGone(code: ErrorCode, reason: string): void
}

/** The way to a server that one allocation lives on: a TCP or TLS connection, or a UDP port of ours. Whoever opened it owns it and ends it. */
export interface TurnLink {
  readonly server: Endpoint
  readonly local: Endpoint
  /** Over TCP and TLS nothing is sent twice. */
  readonly isStream: boolean
  /** Resolves when its socket is closed. Never rejects. */
  readonly closed: Promise<void>
  /** Bytes that have not left yet. */
  readonly unsentBytes: number
  /** Has to be called in the turn that opened the link. */
  start(handlers: LinkHandlers): void
  send(bytes: Buffer): void
  /** Gracefully. Idempotent; `closed` follows. */
  end(): void
  /** At once; the reason goes to `onGone`. */
  drop(code: ErrorCode, reason: string): void
}
