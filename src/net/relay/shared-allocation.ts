import { Observable, type Subscriber } from 'rxjs'
import { defaults } from '../../config/defaults.js'
import type { Failure } from '../../errors/index.js'
import type { Socket } from '../dial-socket.js'
import type { TcpAllocation, TurnArrival, TurnLimits } from '../turn/types.js'

/**
 * A relay allocation that serves an attempt and the channels through it, and lives as long as any of them: each holds it
 * by `retain` and lets go of it once; the last one gives it back to the server. Peers that come are kept until somebody
 * takes them, at most `relay.maxWaiting`.
 */
export class SharedAllocation {
  readonly allocation: TcpAllocation
  /** One taker at a time; those that wait come first. Completes when the allocation is gone. */
  readonly arrivals$: Observable<TurnArrival>
  readonly #waiting: TurnArrival[] = []
  #taker: Subscriber<TurnArrival> | undefined
  #isOver = false
  /** The first is the maker's. */
  #holders = 1

  constructor(allocation: TcpAllocation) {
    this.allocation = allocation
    this.arrivals$ = new Observable(taker => this.#serve(taker))
    allocation.arrivals$.subscribe({ next: arrival => this.#take(arrival), complete: () => this.#end(), error: () => this.#end() })
  }

  /** Why it went, once; undefined after it was given back. */
  get closed(): Promise<Failure | undefined> {
    return this.allocation.closed
  }

  /** Holds it; what is returned lets go, once. */
  retain(): () => void {
    this.#holders += 1
    return this.#letGo()
  }

  /** Of whoever made it. */
  readonly release: () => void = this.#letGo()

  /** Opens a stream, and holds the allocation as long as it lives. The caller owns the socket. Rejects what `open` does. */
  async stream(open: () => Promise<Socket>): Promise<Socket> {
    const letGo = this.retain()
    try {
      const socket = await open()
      if (socket.destroyed) letGo()
      else socket.once('close', letGo)
      return socket
    } catch (error) {
      letGo()
      throw error
    }
  }

  /** Best effort: what is refused shows in that nobody comes. Never rejects. */
  async permit(hosts: readonly string[], limits: TurnLimits): Promise<void> {
    if (hosts.length > 0) await this.allocation.permit(hosts, limits).catch(() => {})
  }

  #letGo(): () => void {
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#holders -= 1
      if (this.#holders === 0) void this.allocation.close()
    }
  }

  #serve(taker: Subscriber<TurnArrival>): () => void {
    this.#taker = taker
    for (const arrival of this.#waiting.splice(0)) taker.next(arrival)
    if (this.#isOver) taker.complete()
    return () => {
      if (this.#taker === taker) this.#taker = undefined
    }
  }

  #take(arrival: TurnArrival): void {
    if (this.#taker !== undefined) this.#taker.next(arrival)
    else if (this.#waiting.length < defaults.relay.maxWaiting) this.#waiting.push(arrival)
  }

  #end(): void {
    this.#isOver = true
    this.#taker?.complete()
  }
}
