import type { Observable } from 'rxjs'
import type { Failure } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import type { TurnLimits, TurnRealm } from './types.js'

/** A datagram from a peer, as the server saw it come. */
export interface TurnDatagram {
  readonly peer: Endpoint
  /** A view of what was received: copy what is kept. */
  readonly bytes: Buffer
}

/**
 * A UDP allocation (RFC 8656): a relayed address by which datagrams come and go, whatever leads to the server. It refreshes itself, its
 * permissions and its channels. Whoever allocated it owns it and closes it.
 */
export interface UdpAllocation {
  readonly server: Endpoint
  /** Our end of the way to the server. */
  readonly local: Endpoint
  /** Where peers reach us. */
  readonly relayed: Endpoint
  /** How the server sees us. */
  readonly mapped: Endpoint
  readonly realm: TurnRealm
  /** Of the latest request, ms. */
  readonly rttMs: number
  /** Hot and lossy, as datagrams are: what nobody reads at once is gone. Completes when the allocation is gone. */
  readonly datagrams$: Observable<TurnDatagram>
  /** Lets these addresses in, for as long as the allocation lives; those that were let in before cost nothing. Rejects ERR_RELAY_*. */
  permit(hosts: readonly string[], limits: TurnLimits): Promise<void>
  /** Gives a peer a channel, which permits it too: four bytes with each datagram instead of some 36. At most `turn.maxChannels`. Rejects ERR_RELAY_*. */
  bind(peer: Endpoint, limits: TurnLimits): Promise<void>
  /** Sends at most `turn.maxDatagramBytes` to a peer that is permitted. False when it was dropped: too long, too much waits, or the allocation is gone. */
  send(peer: Endpoint, bytes: Uint8Array): boolean
  /** Resolves once, when it is gone: undefined after `close()`, else why. */
  readonly closed: Promise<Failure | undefined>
  /** Gives it back to the server (lifetime 0). Idempotent, never rejects. */
  close(): Promise<void>
}
