import type { Observable } from 'rxjs'
import type { Failure } from '../errors/index.js'
import type { BrokerUrl } from '../protocol/broker-url.js'

/** A message as it came from the broker; at most `defaults.signalling.maxEnvelopeBytes` of payload. */
export interface BrokerMessage {
  readonly topic: string
  readonly payload: Uint8Array
}

/**
 * A live session with one broker; never reconnects. Every rejection is a ThroughlineError: ERR_BROKER_TIMEOUT,
 * ERR_BROKER_REFUSED, ERR_BROKER_LOST or ERR_CANCELLED. A broker that is silent for as long again after a time-out is
 * given up: the link closes with ERR_BROKER_TIMEOUT. Whoever connected it owns it and closes it.
 */
export interface BrokerLink {
  /** Without user and password. */
  readonly url: BrokerUrl
  readonly version: 4 | 5
  /** The latest round trip: CONNECT to CONNACK, then PUBLISH to PUBACK, SUBSCRIBE to SUBACK, or a ping. */
  readonly rttMs: number
  /** Hot: what comes while nobody subscribes is gone. Completes when the link is gone. */
  readonly messages$: Observable<BrokerMessage>
  /** QoS 1; resolves at PUBACK. When it rejects the message may have been delivered all the same. */
  publish(topic: string, payload: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void>
  /** QoS 1; resolves when the broker has granted it. */
  subscribe(topic: string, options: { readonly signal: AbortSignal }): Promise<void>
  /** Resolves at once when the link is gone. */
  unsubscribe(topic: string): Promise<void>
  /** Asks for a sign of life and resolves to its round trip in ms. `timeoutMs` defaults to the link's. */
  ping(options: { readonly signal: AbortSignal; readonly timeoutMs?: number }): Promise<number>
  /** Resolves once, when the stream is closed: undefined after `close()`, else why. */
  readonly closed: Promise<Failure | undefined>
  /** Says DISCONNECT and closes; at most half a second. Idempotent, never rejects. */
  close(): Promise<void>
}
