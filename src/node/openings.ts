import { of, type Observable } from 'rxjs'
import type { AttemptReason } from '../../machines/attempt/attempt.types.js'
import type { AcceptOutput } from '../../machines/pipe-session/pipe-session.types.js'
import type { CandidateRecord } from '../../machines/shared/candidate.types.js'
import type { Strategy } from '../../machines/strategies.js'
import type { ErrorCode, Failure } from '../errors/index.js'
import type { Channel } from '../net/channel.js'
import type { Clock } from '../net/clock.js'
import type { ResourceTable } from '../net/resource-table.js'
import type { Hello, Open, Role } from '../protocol/frames.js'
import type { StrategyName } from '../protocol/strategy.js'
import { SessionPipe } from '../streams/pipe/session-pipe.js'
import { moveReasons, type MoveReason, type PipePath } from '../streams/pipe/types.js'
import { Session } from '../streams/session/session.js'
import type { OpenEvent } from '../streams/session/types.js'
import type { WindowPool } from '../streams/session/window-pool.js'
import type { Handler } from './handlers.js'
import { Opening } from './opening.js'
import { repath } from './repath.js'
import type { SessionEntry } from './session-entry.js'
import type { SessionRegistry } from './session-registry.js'

/** What opening works with. */
export interface OpeningsOptions {
  readonly registry: SessionRegistry
  readonly channels: ResourceTable<Channel>
  readonly pool: WindowPool
  readonly clock: Clock
  readonly handler: (protocol: string) => Handler | undefined
  /** The strategies a peer may use where nobody has to be asked. */
  readonly allowedUnasked: (peerId: string, protocol: string) => readonly Strategy[] | undefined
  /** What is local to this node. */
  readonly scopeOf: (channel: Channel) => 'local' | 'external'
  /** A way to a peer has proven good. */
  readonly onProven: (peerId: string, path: PipePath) => void
}

/** OPEN and its answers (protocol 5): takes channels into the service of sessions, and shows their pipes. */
export class Openings {
  readonly #options: OpeningsOptions
  /** OPEN frames of channels that wait to be accepted, by channel id. */
  readonly #opens = new Map<string, Open>()

  constructor(options: OpeningsOptions) {
    this.#options = options
  }

  /** Initiator: the first channel of a session needs no election; OPEN leaves with its HELLO. */
  openAhead(channel: Channel): void {
    const entry = this.#options.registry.get(channel.owner ?? '')
    if (entry?.facts.role !== 'initiator' || entry.opening !== undefined) return
    this.#open(entry, channel, 'dial')
  }

  /** Initiator: sends OPEN on a channel of the table, unless that was done ahead. */
  open$(key: string, channelId: string, reason: AttemptReason): Observable<OpenEvent> {
    const entry = this.#options.registry.get(key)
    const channel = this.#options.channels.take(channelId)
    if (entry === undefined || channel === undefined) return of({ type: 'open.lost', failure: channelGone })
    const { opening } = entry
    return (opening?.channel === channel ? opening : this.#open(entry, channel, reason)).events$
  }

  /** A channel on which the peer is initiator said OPEN. Takes the channel over. */
  received(channel: Channel, hello: Hello, open: Open): void {
    const { registry, channels } = this.#options
    const { key, entry, tombstone } = registry.ofPeer(channel.peerId, hello.session)
    if (entry === undefined && tombstone !== undefined && tombstone !== 'lost') {
      channel.send({ type: 'accept', epoch: open.epoch, ...tombstone })
      return channel.end()
    }
    if (entry === undefined && (open.established || tombstone === 'lost')) return refuse(channel, open.epoch, 'ERR_SESSION_UNKNOWN')
    if (entry !== undefined && open.epoch <= (entry.session?.epoch ?? 0)) return refuse(channel, open.epoch, 'ERR_EPOCH_STALE')
    channel.owner = key
    const unasked = entry === undefined ? this.#handlerUnasked(channel, open) : undefined
    if (unasked !== undefined) {
      const accepted = registry.respond({ peerId: channel.peerId, hello, protocol: open.protocol, isAccepted: true })
      this.#take(accepted, channel, open, unasked)
      return accepted.beginSoon()
    }
    const channelId = channels.add(channel, value => {
      this.#opens.delete(channelId)
      value.end()
    })
    this.#opens.set(channelId, open)
    if (entry !== undefined) return entry.actor.send({ type: 'open.received', channelId })
    registry.respond({ peerId: channel.peerId, hello, protocol: open.protocol, channelId }).begin()
  }

  /** A channel on which the peer is responder: it dialled us because our offer asked for it. False: nobody waits for it. */
  arrived(channel: Channel, hello: Hello): boolean {
    const { registry, channels, clock, scopeOf } = this.#options
    const entry = registry.waitingFor(channel, hello)
    if (entry === undefined) return false
    channel.owner = entry.facts.key
    const channelId = channels.add(channel, value => value.end())
    const nowMs = clock.now()
    const candidate: CandidateRecord = {
      id: `inbound-${channelId}`, strategy: 'reverse', scope: scopeOf(channel), family: channel.family, local: channel.local, remote: channel.remote,
      status: 'secured', startedAtMs: nowMs, updatedAtMs: nowMs, rttMs: channel.rttMs,
    }
    entry.actor.send({ type: 'channel.arrived', channelId, candidate })
    return true
  }

  /** Responder: looks for a handler, sends ACCEPT, shows the pipe at the first ACCEPT. */
  accept(key: string, channelId: string): AcceptOutput {
    const entry = this.#options.registry.get(key)
    const open = this.#opens.get(channelId)
    const handler = entry && this.#options.handler(entry.facts.protocol)
    if (entry === undefined || open === undefined) return { ok: false, failure: channelGone }
    if (entry.pipe === undefined) {
      const verdict = handler?.accept() ?? 'ERR_UNHANDLED_PROTOCOL'
      if (verdict !== true) return { ok: false, failure: { code: verdict, message: `refused: ${verdict}` } }
    }
    const channel = this.#options.channels.get(channelId)
    if (channel === undefined) return { ok: false, failure: channelGone }
    if (!isAmong(entry.actor.getSnapshot().context.allowed, channel)) return { ok: false, failure: notThisWay }
    this.#opens.delete(channelId)
    this.#options.channels.take(channelId)
    this.#take(entry, channel, open, handler)
    return { ok: true }
  }

  /** Tells the initiator that the application thinks. */
  tellPending(channelId: string): void {
    const open = this.#opens.get(channelId)
    if (open !== undefined) this.#options.channels.get(channelId)?.send({ type: 'pending', epoch: open.epoch })
  }

  /** Refuses an OPEN. */
  refuse(channelId: string, { code }: Failure): void {
    const open = this.#opens.get(channelId)
    const channel = this.#options.channels.take(channelId)
    this.#opens.delete(channelId)
    if (channel !== undefined) refuse(channel, open?.epoch ?? 0, code)
  }

  /** Ends every channel of a session that is not in its service. */
  endOthers(key: string, exceptId?: string): void {
    this.#options.channels.releaseWhere((channel, id) => id !== exceptId && channel.owner === key)
  }

  /** The handler of an OPEN that nobody has to be asked about. */
  #handlerUnasked(channel: Channel, { protocol }: Open): Handler | undefined {
    if (!isAmong(this.#options.allowedUnasked(channel.peerId, protocol) ?? [], channel)) return undefined
    const handler = this.#options.handler(protocol)
    try {
      return handler?.accept() === true ? handler : undefined
    } catch {
      return undefined // the machine asks once more, and refuses
    }
  }

  #open(entry: SessionEntry, channel: Channel, reason: AttemptReason): Opening {
    const { firstBytes } = entry.facts
    const session = this.#sessionOf(entry, channel)
    const open$ = session.open(channel, { reason, ...(firstBytes !== undefined && { firstBytes }) })
    entry.opening = new Opening(channel, open$, { onAccepted: () => void this.#show(entry, session, channel, reason), tellSoon: tell => entry.tellSoon(tell) })
    return entry.opening
  }

  #take(entry: SessionEntry, channel: Channel, open: Open, handler: Handler | undefined): void {
    const session = this.#sessionOf(entry, channel)
    session.accept(channel, open)
    const isFirst = entry.pipe === undefined
    const pipe = this.#show(entry, session, channel, open.reason)
    if (isFirst) handler?.onPipe(pipe)
  }

  #sessionOf(entry: SessionEntry, { peerId }: Channel): Session {
    const { clock, pool } = this.#options
    const { sessionId: id, role, protocol } = entry.facts
    entry.peerId = peerId
    if (entry.session !== undefined) return entry.session
    const session = (entry.session = new Session({ id, role, peerId, protocol, clock, pool }))
    // a short pipe may be over before its machine has begun
    session.events$.subscribe(() => entry.begin())
    return session
  }

  /** The pipe on its first path, or on another. */
  #show(entry: SessionEntry, session: Session, channel: Channel, reason: string): SessionPipe {
    const { clock, scopeOf, onProven } = this.#options
    const { role, startedAtMs } = entry.facts
    const { family, local, remote, rttMs } = channel
    const { method, relay } = channel.via ?? {}
    const path: PipePath = { strategy: strategyOf(channel, role), scope: scopeOf(channel), family, local, remote, rttMs, ...(method !== undefined && { method }), ...(relay !== undefined && { relay }) }
    // nothing is left to elect
    entry.attemptId = undefined
    if (entry.pipe === undefined) entry.show(new SessionPipe(session, path, clock.now() - startedAtMs, request => repath(entry, request)))
    else entry.pipe.setPath({ ...path, ...(isMoveReason(reason) && { reason }) })
    // that a peer could dial us tells nothing of how we can reach it
    if (role === 'initiator' || path.strategy === 'punch') onProven(channel.peerId, path)
    return entry.pipe!
  }
}

const isMoveReason = (text: string): text is MoveReason => (moveReasons as readonly string[]).includes(text)

/** A channel by way of the listening port tells by its TLS roles: who dialled is client. */
const strategyOf = ({ via, isTlsServer }: Channel, role: Role): StrategyName => via?.strategy ?? (isTlsServer === (role === 'responder') ? 'direct' : 'reverse')

/** Whether the peer of an inbound channel may come by the way it came. */
const isAmong = (allowed: readonly StrategyName[], channel: Channel): boolean => allowed.includes(strategyOf(channel, 'responder'))

const notThisWay: Failure = { code: 'ERR_REFUSED', message: 'this peer may not come by this strategy' }
const channelGone: Failure = { code: 'ERR_CHANNEL_LOST', message: 'the channel is gone' }

function refuse(channel: Channel, epoch: number, code: ErrorCode): void {
  channel.send({ type: 'refuse', epoch, code })
  channel.end()
}
