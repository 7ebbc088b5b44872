import { Subject, type Observable } from 'rxjs'
import { defaults } from '../config/defaults.js'
import type { Clock } from '../net/clock.js'
import type { BrokerLease, BrokerPool } from './broker-pool.js'

const { homes: wanted, replaceAfterMs } = defaults.signalling

/** The brokers this node is found by: the two best of its list that answer. A home that dies is replaced by the next. */
export class Homes {
  readonly #pool: BrokerPool
  readonly #clock: Clock
  readonly #topics: readonly string[]
  readonly #ranked: readonly string[]
  /** Leased so far, best first; bounded by our list. */
  readonly #leases = new Map<string, BrokerLease>()
  readonly #changes$ = new Subject<readonly string[]>()
  #current: readonly string[] = []
  #cancelLook: (() => void) | undefined
  #isLooking = false
  #isClosed = false

  /** Emits the homes whenever they change. */
  readonly changes$: Observable<readonly string[]>

  /** `topics` are served on every home; the first ranks the brokers. */
  constructor(pool: BrokerPool, clock: Clock, topics: readonly [string, ...string[]]) {
    this.#pool = pool
    this.#clock = clock
    this.#topics = topics
    this.#ranked = pool.ranked(topics[0])
    this.changes$ = this.#changes$.asObservable()
  }

  /** Connects the first homes and keeps looking after them, until `close` or the end of the pool. */
  start(): void {
    this.#current = this.#ranked.slice(0, wanted)
    for (const brokerId of this.#current) this.#take(brokerId)
    this.#pool.changes$.subscribe(() => this.#look())
    this.#look()
  }

  /** Brokers to state in the address, best first; those of the plan while none answers. */
  get current(): readonly string[] {
    return this.#current
  }

  /** True when every broker tried so far has answered or failed. */
  get isSettled(): boolean {
    return [...this.#leases.keys()].every(brokerId => this.#pool.hasAnswered(brokerId))
  }

  /** True while a home serves us. */
  get isOnline(): boolean {
    return this.#current.some(brokerId => this.#pool.isServing(brokerId))
  }

  /** Gives every home up. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#cancelLook?.()
    for (const brokerId of [...this.#leases.keys()]) this.#leave(brokerId)
    this.#changes$.complete()
  }

  #take(brokerId: string): void {
    this.#leases.set(brokerId, this.#pool.lease(brokerId))
    for (const topic of this.#topics) this.#pool.subscribe(brokerId, topic).catch(() => {})
  }

  /** Leasing and leaving change the pool, which would have us look again in the middle: nothing is decided twice. */
  #look(): void {
    if (this.#isClosed || this.#isLooking) return
    this.#isLooking = true
    const next = this.#arrange()
    this.#isLooking = false
    if (next.join() === this.#current.join()) return
    this.#current = next
    this.#changes$.next(next)
  }

  /** Leases and leaves brokers; returns the homes to state from now on. */
  #arrange(): readonly string[] {
    const online = this.#ranked.filter(brokerId => this.#leases.has(brokerId) && this.#pool.isServing(brokerId))
    const homes = online.slice(0, wanted)
    if (homes.length < wanted) this.#replaceTheDead(wanted - homes.length)
    else this.#leaveBelow(homes)
    return homes.length > 0 ? homes : this.#current
  }

  /** A better broker that is dead is kept and tried again; worse ones, dead or not, are not needed. */
  #leaveBelow(homes: readonly string[]): void {
    this.#cancelLook?.()
    const last = this.#ranked.indexOf(homes.at(-1) ?? '')
    for (const brokerId of this.#ranked.slice(last + 1)) this.#leave(brokerId)
  }

  /** Leases one more broker for each that has been down long enough, while there are any. */
  #replaceTheDead(missing: number): void {
    const nowMs = this.#clock.now()
    const down = [...this.#leases.keys()].filter(brokerId => !this.#pool.isServing(brokerId))
    const given = down.filter(brokerId => nowMs - (this.#pool.downSinceMs(brokerId) ?? nowMs) < replaceAfterMs).length
    const spare = this.#ranked.filter(brokerId => !this.#leases.has(brokerId))
    for (const brokerId of spare.slice(0, Math.max(0, missing - given))) this.#take(brokerId)
    this.#cancelLook?.()
    this.#cancelLook = spare.length > 0 ? this.#clock.after(replaceAfterMs, () => this.#look()) : undefined
  }

  #leave(brokerId: string): void {
    this.#leases.get(brokerId)?.release()
    this.#leases.delete(brokerId)
  }
}
