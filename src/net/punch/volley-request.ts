import type { Volley } from '../../nat/punch/volley.js'
import type { Clock } from '../clock.js'
import type { Socket } from '../dial-socket.js'

/** A socket that came up. */
export interface Arrival {
  readonly socket: Socket
  /** Since the last SYN of its port; undefined where the peer connected to us. */
  readonly rttMs: number | undefined
  /** The bursts of a birthday punch were under way. */
  readonly isByChance?: boolean
  /** To be told that the other end hung up in the TLS handshake: the port sends again, as one that was refused. A few times. */
  readonly onHangUp?: () => void
}

/** What firing takes. */
export interface VolleyRequest {
  readonly volley: Volley
  readonly clock: Clock
  readonly random: () => number
  /** Asked before each SYN; false leaves it out. */
  readonly maySend: () => boolean
  /** Calls back when the bursts of the volley may leave, now or later; returns what gives that up. */
  readonly takeTurn: (begin: () => void) => () => void
  /** The peer's NAT answered a SYN of a burst. */
  readonly onRefusal: () => void
  /** Something that came up is being looked into. */
  readonly isSecuring: () => boolean
  /** Takes a socket over; an 'error' of it is already listened to. */
  readonly onSocket: (arrival: Arrival) => void
  /** Nothing more can come up, unless a port sends again whose connection was hung up on. Not told after `stop`. */
  readonly onSpent: () => void
}

/** How many SYNs left (the kernel's repetitions aside), were answered by RST or ICMP, and were not allowed to leave. */
export interface VolleyCounts {
  readonly syns: number
  readonly refused: number
  readonly leftOut: number
}
