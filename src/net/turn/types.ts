import type { Observable } from 'rxjs'
import type { Failure } from '../../errors/index.js'
import type { Endpoint, Family } from '../../protocol/endpoint.js'
import type { TurnRealm } from '../../protocol/turn/long-term.js'
import type { TurnUrl } from '../../protocol/turn-url.js'
import type { Socket } from '../dial-socket.js'

export type { TurnRealm }

/** Time and abort of one request to a server. */
export interface TurnLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What an allocation is asked for. */
export interface AllocationRequest extends TurnLimits {
  readonly server: TurnUrl
  /** Address of this machine to use; undefined leaves it to the route table. */
  readonly localAddress?: string
  /** Of the relayed address; default: that of the server's. */
  readonly family?: Family
  /** From an earlier allocation; a stale one costs a round trip, no more. */
  readonly realm?: TurnRealm
  /** Peer addresses that may come, asked for in the flight of the request itself. One that is refused costs only itself: `permit` tells. */
  readonly peers?: readonly string[]
  /** Authority that signed the server's certificate (PEM), instead of Node's. */
  readonly ca?: string
}

/** A peer has connected to our relayed address. */
export interface TurnArrival {
  /** As the server sees it. */
  readonly peer: Endpoint
  /**
   * Binds it to a connection of our own: a stream to the peer. The caller owns the socket. Once, within 30 s (RFC 6062
   * section 4.6). Rejects ERR_RELAY_*, ERR_DIAL_* or ERR_CANCELLED.
   */
  accept(limits: TurnLimits): Promise<Socket>
}

/**
 * A TCP allocation (RFC 6062): a relayed address to which permitted peers may connect, and from which we may. It refreshes
 * itself and its permissions. Whoever allocated it owns it and closes it; its streams end with it.
 */
export interface TcpAllocation {
  readonly server: Endpoint
  /** Our end of the control connection. */
  readonly local: Endpoint
  /** Where peers reach us. */
  readonly relayed: Endpoint
  /** How the server sees us. */
  readonly mapped: Endpoint
  readonly realm: TurnRealm
  /** Of the latest request, ms. */
  readonly rttMs: number
  /** Hot: what comes while nobody subscribes is refused by silence. Completes when the allocation is gone. */
  readonly arrivals$: Observable<TurnArrival>
  /** Lets these addresses in, for as long as the allocation lives; those that were let in before cost nothing. Rejects ERR_RELAY_*. */
  permit(hosts: readonly string[], limits: TurnLimits): Promise<void>
  /** Opens a connection to the server ahead, so that the next `accept` or `connect` has one: saves its handshake. */
  prepare(): void
  /** Connects from the relayed address (CONNECT): a stream to the peer. The caller owns the socket. Rejects ERR_RELAY_*, ERR_DIAL_* or ERR_CANCELLED. */
  connect(peer: Endpoint, limits: TurnLimits): Promise<Socket>
  /** Resolves once, when it is gone: undefined after `close()`, else why. */
  readonly closed: Promise<Failure | undefined>
  /** Gives it back to the server (lifetime 0). Idempotent, never rejects. */
  close(): Promise<void>
}
