import type { ActorRefFrom } from 'xstate'
import type { attemptMachine } from '../../machines/attempt/attempt.machine.js'
import type { AttemptContext } from '../../machines/attempt/attempt.types.js'
import type { connectionMachine } from '../../machines/connection/connection.machine.js'
import type { Strategy } from '../../machines/strategies.js'
import { defaults } from '../config/defaults.js'
import type { Clock } from '../net/clock.js'
import type { SessionPipe } from '../streams/pipe/session-pipe.js'
import type { Session } from '../streams/session/session.js'
import type { KeptExchange } from './offer-exchange.js'
import type { Opening } from './opening.js'

export type ConnectionActor = ActorRefFrom<typeof connectionMachine>

/** What is known of a session from its start. */
export interface SessionFacts {
  readonly key: string
  readonly role: 'initiator' | 'responder'
  /** On the wire. */
  readonly sessionId: string
  readonly attemptId: string
  readonly protocol: string
  /** Asked for, by us or the peer. */
  readonly strategies: readonly Strategy[]
  /** Initiator: what the user wrote. Kept out of the machines, for an address holds a door key. */
  readonly peer: string | undefined
  readonly firstBytes: Uint8Array | undefined
  readonly startedAtMs: number
}

/**
 * One pipe, from its first dial, offer or OPEN on. What is certain is done at once (the first SYN, the first OPEN, an
 * ACCEPT nobody has to be asked for) and the machine follows right behind, while the peer works on it
 * (docs/decisions/0011). Whoever looks at the machine before finds it up to date.
 */
export class SessionEntry {
  readonly facts: SessionFacts
  peerId: string | undefined
  session: Session | undefined
  /** Initiator: the attempt for which the peer may dial us; undefined while none runs. */
  attemptId: string | undefined
  /** Responder: the latest offer, by which the initiator can be asked for a path. */
  offerId: string | undefined
  /** So many times the application asked for another path. */
  repaths = 0
  /** Initiator: the OPEN under way, or the last one. */
  opening: Opening | undefined
  /** Of the latest attempt that asked by brokers, one per round. */
  exchanges: readonly KeptExchange[] = []
  readonly #clock: Clock | undefined
  readonly #make: (entry: SessionEntry) => ConnectionActor
  #actor: ConnectionActor | undefined
  #pipe: SessionPipe | undefined
  /** What the machine has yet to be told; a handful. */
  readonly #behind: (() => void)[] = []
  #onMade: (() => void) | undefined
  #onShown: ((pipe: SessionPipe) => void) | undefined

  /** `make` makes the actor, once; it is started here. Without `clock` it never lags: somebody watches. */
  constructor(facts: SessionFacts, peerId: string | undefined, clock: Clock | undefined, make: (entry: SessionEntry) => ConnectionActor) {
    this.facts = facts
    this.attemptId = facts.attemptId
    this.peerId = peerId
    this.#clock = clock
    this.#make = make
  }

  get pipe(): SessionPipe | undefined {
    return this.#pipe
  }

  /** The machine, up to date. */
  get actor(): ConnectionActor {
    this.begin()
    return this.#actor!
  }

  /** What its attempt knows; undefined when there is none now. */
  get attempt(): AttemptContext | undefined {
    const attempt = this.actor.getSnapshot().children['attempt'] as ActorRefFrom<typeof attemptMachine> | undefined
    return attempt?.getSnapshot().context
  }

  /** Makes and starts the machine, unless that has been done, and tells it what is due. */
  begin(): void {
    if (this.#actor === undefined) {
      this.#actor = this.#make(this)
      // before it starts, for it may go all the way in one turn
      this.#onMade?.()
      this.#actor.start()
    }
    for (let tell = this.#behind.shift(); tell !== undefined; tell = this.#behind.shift()) tell()
  }

  /** Begins a little later: `machineLagMs`, or when somebody looks, or the session has news. */
  beginSoon(): void {
    if (this.#clock === undefined) this.begin()
    else this.#clock.after(defaults.attempt.machineLagMs, () => this.begin())
  }

  /** Tells the machine something, a little later. */
  tellSoon(tell: () => void): void {
    this.#behind.push(tell)
    this.beginSoon()
  }

  /** Sets the pipe, once, and tells who waits for it. */
  show(pipe: SessionPipe): void {
    this.#pipe = pipe
    this.#onShown?.(pipe)
  }

  /** Who watches the dial: called when the machine is there, and when there is a pipe; at once, or later. */
  watch(onMade: () => void, onShown: (pipe: SessionPipe) => void): void {
    if (this.#actor === undefined) this.#onMade = onMade
    else onMade()
    if (this.#pipe === undefined) this.#onShown = onShown
    else onShown(this.#pipe)
  }
}
