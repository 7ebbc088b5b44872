import { of, Subject, type Observable } from 'rxjs'
import { createActor, type ActorRefFrom, type InspectionEvent } from 'xstate'
import type { attemptMachine } from '../../machines/attempt/attempt.machine.js'
import type { AttemptContext, AttemptInput, PeerTarget } from '../../machines/attempt/attempt.types.js'
import type { connectionMachine } from '../../machines/connection/connection.machine.js'
import type { ConnectionInput, ReceivedOffer } from '../../machines/connection/connection.types.js'
import type { AcceptOutput } from '../../machines/pipe-session/pipe-session.types.js'
import type { CandidateRecord } from '../../machines/shared/candidate.types.js'
import { strategyOrder, type Strategy } from '../../machines/strategies.js'
import { defaults } from '../config/defaults.js'
import type { ErrorCode, Failure } from '../errors/index.js'
import type { Channel } from '../net/channel.js'
import type { Clock } from '../net/clock.js'
import type { ResourceTable } from '../net/resource-table.js'
import type { Hello, Open } from '../protocol/frames.js'
import type { OfferMessage } from '../protocol/signal-message.js'
import { SessionPipe } from '../streams/pipe/session-pipe.js'
import type { PipePath } from '../streams/pipe/types.js'
import { Session } from '../streams/session/session.js'
import type { OpenEvent } from '../streams/session/types.js'
import type { WindowPool } from '../streams/session/window-pool.js'
import type { Handler } from './handlers.js'
import type { KeptExchange } from './offer-exchange.js'
import { Tombstones } from './tombstones.js'

type ConnectionActor = ActorRefFrom<typeof connectionMachine>

/** One pipe, from its first dial, offer or OPEN on. */
export interface SessionEntry {
  readonly key: string
  readonly role: 'initiator' | 'responder'
  /** On the wire. */
  readonly sessionId: string
  readonly attemptId: string
  readonly protocol: string
  /** Initiator: what the user wrote. Kept out of the machines, for an address holds a door key. */
  readonly peer: string | undefined
  readonly firstBytes: Uint8Array | undefined
  readonly actor: ConnectionActor
  readonly startedAtMs: number
  peerId: string | undefined
  session: Session | undefined
  pipe: SessionPipe | undefined
  /** One per round. */
  readonly exchanges: KeptExchange[]
}

/** What a dial asks for. */
export interface DialRequest {
  readonly peer: string
  readonly protocol: string
  readonly firstBytes: Uint8Array | undefined
  readonly attempt: Pick<AttemptInput, 'strategies' | 'mode' | 'timeoutMs'>
  /** What an address says about the peer; undefined: the attempt looks it up. */
  readonly target: PeerTarget | undefined
}

/** What the registry works with. */
export interface SessionRegistryOptions {
  readonly machine: typeof connectionMachine
  readonly channels: ResourceTable<Channel>
  readonly pool: WindowPool
  readonly clock: Clock
  readonly newId: () => string
  readonly inspect: ((event: InspectionEvent) => void) | undefined
  readonly handler: (protocol: string) => Handler | undefined
  /** The strategies a peer may use where nobody has to be asked; undefined: ask. */
  readonly allowedUnasked: (peerId: string, protocol: string) => readonly Strategy[] | undefined
}

const policy = { attempt: defaults.attempt, dial: defaults.dial }

/**
 * All connections of a node: a root actor each, with its session and pipe. Keyed by our role, the wire id and, as
 * responder, the peer, so that a node may dial itself and nobody can reach another's session. Bounded by the peers that
 * authenticated and the attempts that run.
 */
export class SessionRegistry {
  readonly #options: SessionRegistryOptions
  readonly #entries = new Map<string, SessionEntry>()
  readonly #tombstones = new Tombstones()
  /** OPEN frames of channels that wait to be accepted, by channel id. */
  readonly #opens = new Map<string, Open>()
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

  /** Starts a connection as initiator. */
  dial({ peer, target, protocol, firstBytes, attempt }: DialRequest): SessionEntry {
    const sessionId = this.#options.newId()
    const attemptId = this.#options.newId()
    const key = initiatorKey(sessionId)
    const startedAtMs = this.#options.clock.now()
    const attemptInput: AttemptInput = { role: 'initiator', sessionKey: key, sessionId, attemptId, protocol, startedAtMs, policy, ...attempt, ...(target !== undefined && { target }) }
    const actor = this.#createActor({ role: 'initiator', sessionKey: key, peerId: undefined, protocol, attempt: attemptInput })
    return this.#start({ key, role: 'initiator', sessionId, attemptId, protocol, peer, firstBytes, actor, startedAtMs, peerId: undefined, session: undefined, pipe: undefined, exchanges: [] })
  }

  /** An offer arrived: a new connection as responder, or the next round of one that is there. */
  offer(peerId: string, message: OfferMessage, offer: ReceivedOffer, leave: () => void): void {
    const key = responderKey(peerId, message.session)
    const known = this.#entries.get(key)
    if (known !== undefined) {
      leave()
      return known.actor.send({ type: 'offer.received', offer })
    }
    this.#respond(key, peerId, message.session, message.attempt, message.protocol, offer, undefined)
    this.#entries.get(key)?.actor.subscribe({ next: ({ value }) => value === 'connected' && leave(), error: leave, complete: leave })
  }

  /** The peer withdrew its offer. */
  cancel(peerId: string, sessionId: string): void {
    const failure: Failure = { code: 'ERR_CANCELLED', message: 'the peer withdrew its offer' }
    this.#entries.get(responderKey(peerId, sessionId))?.actor.send({ type: 'peer.cancelled', failure })
  }

  /** A channel on which the peer is initiator said OPEN. Takes the channel over. */
  open(channel: Channel, hello: Hello, open: Open): void {
    const { channels, clock } = this.#options
    const key = responderKey(channel.peerId, hello.session)
    const known = this.#entries.get(key)
    const tombstone = this.#tombstones.get(key, clock.now())
    if (known === undefined && tombstone !== undefined && tombstone !== 'lost') {
      channel.send({ type: 'accept', epoch: open.epoch, ...tombstone })
      return channel.end()
    }
    if (known === undefined && (open.established || tombstone === 'lost')) return refuse(channel, open.epoch, 'ERR_SESSION_UNKNOWN')
    if (known !== undefined && open.epoch <= (known.session?.epoch ?? 0)) return refuse(channel, open.epoch, 'ERR_EPOCH_STALE')
    channel.owner = key
    const channelId = channels.add(channel, value => {
      this.#opens.delete(channelId)
      value.end()
    })
    this.#opens.set(channelId, open)
    if (known !== undefined) return known.actor.send({ type: 'open.received', channelId })
    this.#respond(key, channel.peerId, hello.session, hello.attempt, open.protocol, undefined, channelId)
  }

  /** A channel on which the peer is responder: it dialled us because our offer asked for it. False: nobody waits for it. */
  arrived(channel: Channel, hello: Hello): boolean {
    const entry = this.#entries.get(initiatorKey(hello.session))
    // with a session carried by a channel there is nothing left to elect
    if (entry === undefined || entry.attemptId !== hello.attempt || entry.session?.channel !== undefined) return false
    const expected = this.#targetOf(entry)
    if (expected !== channel.peerId) return false
    channel.owner = entry.key
    const channelId = this.#options.channels.add(channel, value => value.end())
    const nowMs = this.#options.clock.now()
    const candidate: CandidateRecord = {
      id: `inbound-${channelId}`, strategy: 'reverse', scope: this.scopeOf(channel), family: channel.family, local: channel.local, remote: channel.remote,
      status: 'secured', startedAtMs: nowMs, updatedAtMs: nowMs, rttMs: channel.rttMs,
    }
    entry.actor.send({ type: 'channel.arrived', channelId, candidate })
    return true
  }

  /** Set by the node: what is local to it. */
  scopeOf: (channel: Channel) => 'local' | 'external' = () => 'external'

  /** Initiator: sends OPEN on a channel of the table. */
  openChannel$(key: string, channelId: string): Observable<OpenEvent> {
    const entry = this.#entries.get(key)
    const channel = this.#options.channels.take(channelId)
    if (entry === undefined || channel === undefined) return of({ type: 'open.lost', failure: channelGone })
    entry.peerId = channel.peerId
    entry.session ??= this.#createSession(entry, channel.peerId)
    return entry.session.open(channel, { reason: 'dial', ...(entry.firstBytes !== undefined && { firstBytes: entry.firstBytes }) })
  }

  /** Responder: looks for a handler, sends ACCEPT, shows the pipe at the first ACCEPT. */
  accept(key: string, channelId: string): AcceptOutput {
    const entry = this.#entries.get(key)
    const open = this.#opens.get(channelId)
    const handler = entry && this.#options.handler(entry.protocol)
    if (entry === undefined || open === undefined) return { ok: false, failure: channelGone }
    if (entry.pipe === undefined) {
      const verdict = handler?.accept() ?? 'ERR_UNHANDLED_PROTOCOL'
      if (verdict !== true) return { ok: false, failure: { code: verdict, message: `refused: ${verdict}` } }
    }
    const strategy = this.#options.channels.get(channelId)?.isTlsServer === true ? 'direct' : 'reverse'
    if (!entry.actor.getSnapshot().context.allowed.includes(strategy)) return { ok: false, failure: notThisWay }
    this.#opens.delete(channelId)
    const channel = this.#options.channels.take(channelId)
    if (channel === undefined) return { ok: false, failure: channelGone }
    entry.session ??= this.#createSession(entry, channel.peerId)
    entry.session.accept(channel, open)
    const path = this.#pathOf(channel, strategy)
    if (entry.pipe !== undefined) entry.pipe.setPath(path)
    else {
      entry.pipe = new SessionPipe(entry.session, path, this.#elapsedMs(entry))
      handler?.onPipe(entry.pipe)
    }
    return { ok: true }
  }

  /** Tells the initiator that the application thinks. */
  tellPending(channelId: string): void {
    const open = this.#opens.get(channelId)
    if (open !== undefined) this.#options.channels.get(channelId)?.send({ type: 'pending', epoch: open.epoch })
  }

  /** Refuses an OPEN. */
  refuseChannel(channelId: string, { code }: Failure): void {
    const open = this.#opens.get(channelId)
    const channel = this.#options.channels.take(channelId)
    this.#opens.delete(channelId)
    if (channel !== undefined) refuse(channel, open?.epoch ?? 0, code)
  }

  /** Ends every channel of a session that is not in its service. */
  endChannels(key: string, exceptId?: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#options.channels.releaseWhere((channel, id) => id !== exceptId && channel.owner === key)
  }

  /** Keeps what a dial's exchange of offers holds until the connection ends; a later round adds to it. */
  keep(key: string, exchange: KeptExchange): void {
    this.#entries.get(key)?.exchanges.push(exchange)
  }

  /** Resolves when no connection is left, and the last frames of all are with the kernel: the process may exit then. */
  async idle(): Promise<void> {
    if (this.#entries.size > 0) await new Promise<void>(resolve => this.#idleWaiters.push(resolve))
    await Promise.all(this.#leaving)
  }

  /** The path of a channel, as people see it. */
  #pathOf(channel: Channel, strategy: PipePath['strategy']): PipePath {
    const { family, local, remote, rttMs } = channel
    return { strategy, scope: this.scopeOf(channel), family, local, remote, rttMs }
  }

  #respond(key: string, peerId: string, sessionId: string, attemptId: string, protocol: string, offer: ReceivedOffer | undefined, channelId: string | undefined): void {
    const attempt: AttemptInput = {
      role: 'responder', sessionKey: key, sessionId, attemptId, protocol, strategies: offer?.strategies ?? strategyOrder, mode: 'race',
      timeoutMs: defaults.attempt.timeoutMs, startedAtMs: this.#options.clock.now(), policy,
      ...(offer !== undefined && { target: offer.target, offerId: offer.offerId }),
    }
    const actor = this.#createActor({
      role: 'responder', sessionKey: key, peerId, protocol, attempt, allowed: this.#options.allowedUnasked(peerId, protocol), ...(offer !== undefined && { offer }), ...(channelId !== undefined && { channelId }),
    })
    this.#start({ key, role: 'responder', sessionId, attemptId, protocol, peer: undefined, firstBytes: undefined, actor, startedAtMs: attempt.startedAtMs, peerId, session: undefined, pipe: undefined, exchanges: [] })
  }

  #createActor(input: ConnectionInput): ConnectionActor {
    const { machine, inspect } = this.#options
    return createActor(machine, { input, ...(inspect !== undefined && { inspect }) })
  }

  #start(entry: SessionEntry): SessionEntry {
    this.#entries.set(entry.key, entry)
    entry.actor.subscribe({
      next: snapshot => {
        if (entry.role === 'initiator' && entry.pipe === undefined && snapshot.value === 'connected') this.#showPipe(entry)
        if (snapshot.status === 'done') this.#end(entry, snapshot.output?.failure)
      },
      error: () => this.#end(entry, { code: 'ERR_INTERNAL', message: 'the connection’s machine failed' }),
    })
    entry.actor.start()
    this.#changes$.next()
    return entry
  }

  #showPipe(entry: SessionEntry): void {
    const elected = entry.actor.getSnapshot().context.elected
    const channel = entry.session?.channel
    if (entry.session === undefined || channel === undefined || elected === undefined) return
    entry.pipe = new SessionPipe(entry.session, { ...this.#pathOf(channel, elected.strategy), rttMs: elected.rttMs ?? channel.rttMs }, this.#elapsedMs(entry))
  }

  #elapsedMs({ startedAtMs }: SessionEntry): number {
    return this.#options.clock.now() - startedAtMs
  }

  #end(entry: SessionEntry, failure: Failure | undefined): void {
    if (!this.#entries.has(entry.key)) return
    this.endChannels(entry.key)
    this.#entries.delete(entry.key)
    if (entry.session !== undefined) {
      const { receivedOffset } = entry.session.offsets
      const tombstone = failure === undefined ? { receivedOffset, maxOffset: receivedOffset } : 'lost'
      this.#tombstones.set(entry.key, tombstone, this.#options.clock.now())
      entry.session.close(failure)
      this.#flush(entry.session.channel)
    }
    for (const exchange of entry.exchanges) {
      if (entry.pipe === undefined && failure !== undefined) exchange.withdraw()
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

  #createSession(entry: SessionEntry, peerId: string): Session {
    const { clock, pool } = this.#options
    return new Session({ id: entry.sessionId, role: entry.role, peerId, protocol: entry.protocol, clock, pool })
  }

  /** The peer an initiator's attempt has resolved to. */
  #targetOf(entry: SessionEntry): string | undefined {
    return entry.peerId ?? attemptContext(entry.actor)?.known?.peerId
  }
}

/** What the attempt of a connection knows; undefined when there is none now. */
export function attemptContext(actor: ConnectionActor): AttemptContext | undefined {
  const attempt = actor.getSnapshot().children['attempt'] as ActorRefFrom<typeof attemptMachine> | undefined
  return attempt?.getSnapshot().context
}

const notThisWay: Failure = { code: 'ERR_REFUSED', message: 'this peer may not come by this strategy' }

const initiatorKey = (sessionId: string): string => `initiator/${sessionId}`
const responderKey = (peerId: string, sessionId: string): string => `responder/${peerId}/${sessionId}`

const channelGone: Failure = { code: 'ERR_CHANNEL_LOST', message: 'the channel is gone' }

function refuse(channel: Channel, epoch: number, code: ErrorCode): void {
  channel.send({ type: 'refuse', epoch, code })
  channel.end()
}
