import { Subject, type Observable } from 'rxjs'
import { createActor, type InspectionEvent } from 'xstate'
import type { AttemptInput, PeerTarget } from '../../machines/attempt/attempt.types.js'
import type { connectionMachine } from '../../machines/connection/connection.machine.js'
import type { ConnectionInput, ReceivedOffer } from '../../machines/connection/connection.types.js'
import type { ConnectionPolicy } from '../../machines/shared/policy.types.js'
import { strategyOrder, type Strategy } from '../../machines/strategies.js'
import { defaults } from '../config/defaults.js'
import type { Failure } from '../errors/index.js'
import type { Channel } from '../net/channel.js'
import type { Clock } from '../net/clock.js'
import type { Hello } from '../protocol/frames.js'
import { parseEndpoint } from '../protocol/endpoint.js'
import type { OfferMessage } from '../protocol/signal-message.js'
import type { Dialler } from './dialler.js'
import type { KeptExchange } from './offer-exchange.js'
import { SessionEntry, type ConnectionActor, type SessionFacts } from './session-entry.js'
import { Tombstones, type Tombstone } from './tombstones.js'

/** What a dial asks for. */
export interface DialRequest {
  readonly peer: string
  readonly protocol: string
  readonly firstBytes: Uint8Array | undefined
  readonly attempt: Pick<AttemptInput, 'strategies' | 'mode' | 'timeoutMs'>
  /** What an address says about the peer; undefined: the attempt looks it up. */
  readonly target: PeerTarget | undefined
}

/** What a peer asks for: by an offer, or by an OPEN, which may have been accepted before the machine is made. */
export interface RespondRequest extends Pick<ConnectionInput, 'offer' | 'channelId' | 'isAccepted' | 'protocol'> {
  readonly peerId: string
  readonly hello: Pick<Hello, 'session' | 'attempt'>
}

/** What the registry works with. */
export interface SessionRegistryOptions {
  readonly machine: typeof connectionMachine
  readonly dialler: Dialler
  readonly clock: Clock
  readonly newId: () => string
  readonly inspect: ((event: InspectionEvent) => void) | undefined
  readonly policy: ConnectionPolicy
  /** The strategies a peer may use where nobody has to be asked; undefined: ask. */
  readonly allowedUnasked: (peerId: string, protocol: string) => readonly Strategy[] | undefined
  /** Ends the channels of a session that are not in its service. */
  readonly endChannels: (key: string) => void
}

/**
 * All connections of a node: a root actor each, with its session and pipe. Keyed by our role, the wire id and, as
 * responder, the peer, so that a node may dial itself and nobody can reach another's session. Bounded by the peers that
 * authenticated and the attempts that run.
 */
export class SessionRegistry {
  readonly #options: SessionRegistryOptions
  readonly #entries = new Map<string, SessionEntry>()
  readonly #tombstones = new Tombstones()
  readonly #changes$ = new Subject<void>()
  #idleWaiters: (() => void)[] = []
  /** Channels of ended sessions whose last frames the kernel has not taken; each ends within `lingerMs`. */
  readonly #leaving = new Set<Promise<void>>()

  /** An entry came or went. */
  readonly changes$: Observable<void> = this.#changes$.asObservable()

  constructor(options: SessionRegistryOptions) {
    this.#options = options
  }

  get(key: string): SessionEntry | undefined {
    return this.#entries.get(key)
  }

  get entries(): Iterable<SessionEntry> {
    return this.#entries.values()
  }

  get size(): number {
    return this.#entries.size
  }

  /** The session a peer's OPEN or offer names, or what is left of it. */
  ofPeer(peerId: string, sessionId: string): { readonly key: string; readonly entry: SessionEntry | undefined; readonly tombstone: Tombstone | undefined } {
    const key = responderKey(peerId, sessionId)
    return { key, entry: this.#entries.get(key), tombstone: this.#tombstones.get(key, this.#options.clock.now()) }
  }

  /** The attempt for which a responder may have dialled us; undefined once its channel carries the session: nothing is left to elect. */
  waitingFor({ peerId }: Channel, { session, attempt }: Hello): SessionEntry | undefined {
    const entry = this.#entries.get(initiatorKey(session))
    if (entry?.attemptId !== attempt) return undefined
    return (entry.peerId ?? entry.attempt?.known?.peerId) === peerId ? entry : undefined
  }

  /** Starts a connection as initiator. Where a SYN can leave at once, the machine follows right behind it. */
  dial({ peer, target, protocol, firstBytes, attempt }: DialRequest): SessionEntry {
    const { newId, clock, dialler, inspect, policy } = this.#options
    const [sessionId, attemptId] = [newId(), newId()]
    const key = initiatorKey(sessionId)
    const startedAtMs = clock.now()
    const outgoing = target && dialler.startAhead({ sessionKey: key, sessionId, attemptId, target, ...attempt })
    const entry = this.#add({ key, role: 'initiator', sessionId, attemptId, protocol, strategies: attempt.strategies, peer, firstBytes, startedAtMs }, undefined, {
      role: 'initiator', sessionKey: key, peerId: undefined, protocol,
      attempt: { reason: 'dial', role: 'initiator', sessionKey: key, sessionId, attemptId, protocol, startedAtMs, policy, ...attempt, ...(target !== undefined && { target }) },
    })
    if (outgoing === undefined || inspect !== undefined || target?.remembered !== undefined) entry.begin()
    else clock.after(defaults.attempt.headStartMs, () => (outgoing.isConnected ? entry.beginSoon() : entry.begin()))
    return entry
  }

  /** Adds a connection as responder; the caller begins it. */
  respond({ peerId, hello: { session: sessionId, attempt: attemptId }, protocol, offer, ...opened }: RespondRequest): SessionEntry {
    const { clock, allowedUnasked, policy } = this.#options
    const key = responderKey(peerId, sessionId)
    const startedAtMs = clock.now()
    const attempt: AttemptInput = {
      reason: 'dial', role: 'responder', sessionKey: key, sessionId, attemptId, protocol, strategies: offer?.strategies ?? strategyOrder, mode: 'race',
      timeoutMs: defaults.attempt.timeoutMs, startedAtMs, policy,
      ...(offer !== undefined && { target: offer.target, offerId: offer.offerId }),
    }
    return this.#add({ key, role: 'responder', sessionId, attemptId, protocol, strategies: attempt.strategies, peer: undefined, firstBytes: undefined, startedAtMs }, peerId, {
      role: 'responder', sessionKey: key, peerId, protocol, attempt, allowed: allowedUnasked(peerId, protocol), ...(offer !== undefined && { offer }), ...opened,
    })
  }

  /** An offer arrived: a new connection as responder, or the next round of one that is there. */
  offer(peerId: string, message: OfferMessage, offer: ReceivedOffer, leave: () => void): void {
    const known = this.ofPeer(peerId, message.session).entry
    if (known !== undefined) {
      known.offerId = offer.offerId
      leave()
      return known.actor.send({ type: 'offer.received', offer })
    }
    const entry = this.respond({ peerId, hello: message, protocol: message.protocol, offer })
    entry.offerId = offer.offerId
    entry.actor.subscribe({ next: snapshot => snapshot.matches('connected') && leave(), error: leave, complete: leave })
  }

  /** Whether a peer's pipe is here. */
  hasPipe(peerId: string, sessionId: string): boolean {
    return this.ofPeer(peerId, sessionId).entry?.pipe !== undefined
  }

  /** The responder of a pipe has no channel left. */
  wantPath(peerId: string, sessionId: string): void {
    const entry = this.#entries.get(initiatorKey(sessionId))
    if (entry?.pipe === undefined || entry.peerId !== peerId) return
    entry.actor.send({ type: 'path.wanted', strategies: [] })
    for (const exchange of entry.exchanges) exchange.repeat()
  }

  /** Gives a further attempt of a pipe its id. */
  planPath(key: string): { readonly attemptId: string; readonly startedAtMs: number } {
    const attemptId = this.#options.newId()
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.attemptId = attemptId
    return { attemptId, startedAtMs: this.#options.clock.now() }
  }

  /** No attempt of the session runs any more: what it left is ended. */
  endSearch(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.attemptId = undefined
    this.#options.endChannels(key)
  }

  /** Addresses of this machine came or went: pipes from one that is gone are suspected at once, and relayed ones may go better. */
  networkChanged(isOurs: (host: string) => boolean): void {
    for (const { session, pipe, actor } of this.#entries.values()) {
      if (pipe === undefined) continue
      const host = parseEndpoint(session?.channel?.local ?? '')?.host
      if (host !== undefined && !isOurs(host)) session?.suspect()
      actor.send({ type: 'network.changed' })
    }
  }

  /** The peer withdrew its offer. */
  cancel(peerId: string, sessionId: string): void {
    const failure: Failure = { code: 'ERR_CANCELLED', message: 'the peer withdrew its offer' }
    this.ofPeer(peerId, sessionId).entry?.actor.send({ type: 'peer.cancelled', failure })
  }

  /** Keeps what an attempt's exchange of offers holds until the connection ends or a later attempt has one; a later round adds to it. */
  keep(key: string, exchange: KeptExchange): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const isOfAttempt = ({ attemptId }: KeptExchange) => attemptId === exchange.attemptId
    // a broker that both use is leased again before it is let go
    for (const old of entry.exchanges) if (!isOfAttempt(old)) old.release()
    entry.exchanges = [...entry.exchanges.filter(isOfAttempt), exchange]
  }

  /** Resolves when no connection is left, and the last frames of all are with the kernel: the process may exit then. */
  async idle(): Promise<void> {
    if (this.#entries.size > 0) await new Promise<void>(resolve => this.#idleWaiters.push(resolve))
    await Promise.all(this.#leaving)
  }

  #add(facts: SessionFacts, peerId: string | undefined, input: ConnectionInput): SessionEntry {
    const entry = new SessionEntry(facts, peerId, this.#options.inspect === undefined ? this.#options.clock : undefined, one => this.#makeActor(one, input))
    this.#entries.set(facts.key, entry)
    this.#changes$.next()
    return entry
  }

  #makeActor(entry: SessionEntry, input: ConnectionInput): ConnectionActor {
    const { machine, inspect } = this.#options
    const actor = createActor(machine, { input, ...(inspect !== undefined && { inspect }) })
    actor.subscribe({
      next: snapshot => snapshot.status === 'done' && this.#end(entry, snapshot.output?.failure),
      error: () => this.#end(entry, { code: 'ERR_INTERNAL', message: 'the connection’s machine failed' }),
    })
    return actor
  }

  #end({ facts: { key }, session, opening, pipe, exchanges }: SessionEntry, failure: Failure | undefined): void {
    if (!this.#entries.has(key)) return
    const { endChannels, dialler, clock } = this.#options
    endChannels(key)
    dialler.drop(key)
    opening?.cancel()
    this.#entries.delete(key)
    if (session !== undefined) {
      const { receivedOffset } = session.offsets
      this.#tombstones.set(key, failure === undefined ? { receivedOffset, maxOffset: receivedOffset } : 'lost', clock.now())
      session.close(failure)
      this.#flush(session.channel)
    }
    const isUntold = pipe === undefined || session?.isStalled === true
    for (const exchange of exchanges) {
      if (isUntold && failure !== undefined) exchange.withdraw()
      exchange.release()
    }
    this.#changes$.next()
    if (this.#entries.size > 0) return
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  #flush(channel: Channel | undefined): void {
    if (channel === undefined) return
    const leaving = channel.flushed()
    this.#leaving.add(leaving)
    void leaving.then(() => this.#leaving.delete(leaving))
  }
}

const initiatorKey = (sessionId: string): string => `initiator/${sessionId}`
const responderKey = (peerId: string, sessionId: string): string => `responder/${peerId}/${sessionId}`
