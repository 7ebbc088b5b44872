import { randomBytes } from 'node:crypto'
import { Subject, type Observable } from 'rxjs'
import { createActor, type ActorRefFrom, type InspectionEvent } from 'xstate'
import { createClockActors } from '../../machines/clock/clock.actors.js'
import { clockMachine, defaultClockPolicy } from '../../machines/clock/clock.machine.js'
import type { Failure } from '../errors/index.js'
import { clockOffsetAt } from '../nat/clock-estimate.js'
import type { Clock } from '../net/clock.js'
import type { ClockSummary } from './types.js'

/** What keeping the time takes. */
export interface TimeKeeperOptions {
  readonly clock: Clock
  /** `HOST` or `HOST:PORT`. */
  readonly servers: readonly string[]
  readonly inspect: ((event: InspectionEvent) => void) | undefined
}

/** The clock machine of a node, and what it knows. */
export class TimeKeeper {
  readonly actor: ActorRefFrom<typeof clockMachine>
  readonly #clock: Clock
  readonly #changes$ = new Subject<void>()
  readonly #isAsked: boolean

  /** What it knows changed. */
  readonly changes$: Observable<void> = this.#changes$.asObservable()

  constructor({ clock, servers, inspect }: TimeKeeperOptions) {
    this.#clock = clock
    this.#isAsked = servers.length > 0
    const actors = createClockActors({ clock, randomBytes, random: Math.random })
    this.actor = createActor(clockMachine.provide({ actors }), { input: { servers, policy: defaultClockPolicy }, ...(inspect !== undefined && { inspect }) })
    this.actor.subscribe({ next: () => this.#changes$.next(), error: () => this.#changes$.next() })
  }

  /** Without servers there is nobody to ask, and it stays silent. */
  start(): void {
    if (this.#isAsked) this.actor.start()
  }

  /** True when the first round has its answers, or its time-outs. */
  get isSettled(): boolean {
    return !this.#isAsked || this.actor.getSnapshot().value !== 'sampling' || this.#knows
  }

  /** Undefined while unsynchronised. */
  get summary(): ClockSummary | undefined {
    const { estimate } = this.actor.getSnapshot().context
    return estimate && { ...clockOffsetAt(estimate, this.#clock.now()), source: estimate.source }
  }

  /** Why there is no summary, as far as that is known. */
  get failure(): Failure | undefined {
    return this.actor.getSnapshot().context.lastFailure
  }

  networkChanged(): void {
    if (this.#isAsked) this.actor.send({ type: 'network.changed' })
  }

  close(): void {
    this.actor.send({ type: 'clock.stop' })
    this.actor.stop()
    this.#changes$.complete()
  }

  get #knows(): boolean {
    return this.actor.getSnapshot().context.estimate !== undefined
  }
}
