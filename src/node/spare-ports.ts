import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Subject, type Observable } from 'rxjs'
import { defaults } from '../config/defaults.js'
import type { Endpoint, Family } from '../protocol/endpoint.js'
import { connectStunTcp, type StunTcpConnection } from '../net/stun-tcp-client.js'
import type { StunServers } from './stun-servers.js'

const { spareRefreshMs, spareTimeoutMs, retryMinMs, retryMaxMs } = defaults.natProbe

/** Where a spare port is kept. */
export interface SparePlace {
  readonly family: Family
  /** Our address. */
  readonly local: string
}

/** A port of ours and how the world sees it. */
export interface SparePort {
  readonly local: Endpoint
  readonly mapped: Endpoint
}

/**
 * One spare punch port per interface and family: a TCP connection to a STUN server from a port of its own, asked again
 * now and then, so that its mapping lives and is known when a punch needs it. Bounded by the places it is told.
 */
export class SparePorts {
  readonly #servers: StunServers
  readonly #kept = new Map<string, Keeper>()
  /** Ending; each ends within `dial.lingerMs`. */
  readonly #ending = new Set<Promise<void>>()
  readonly #changes$ = new Subject<void>()

  /** A spare port came or went. */
  readonly changes$: Observable<void> = this.#changes$.asObservable()

  constructor(servers: StunServers) {
    this.#servers = servers
  }

  /** Keeps one there from now on; a place that moved to another address starts anew. */
  keep(key: string, place: SparePlace): void {
    if (this.#kept.get(key)?.place.local === place.local) return
    this.drop(key)
    this.#kept.set(key, new Keeper(place, this.#servers, () => this.#changes$.next()))
  }

  /** Gives one up. */
  drop(key: string): void {
    const keeper = this.#kept.get(key)
    this.#kept.delete(key)
    if (keeper === undefined) return
    const ending = keeper.stop()
    this.#ending.add(ending)
    void ending.then(() => this.#ending.delete(ending))
  }

  /** Those that are warm now. */
  get all(): readonly SparePort[] {
    return [...this.#kept.values()].flatMap(({ spare }) => (spare === undefined ? [] : [spare]))
  }

  /** Ends all. Never rejects. */
  async close(): Promise<void> {
    for (const key of [...this.#kept.keys()]) this.drop(key)
    await Promise.all(this.#ending)
    this.#changes$.complete()
  }
}

class Keeper {
  readonly place: SparePlace
  readonly #servers: StunServers
  readonly #onChange: () => void
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #connection: StunTcpConnection | undefined

  constructor(place: SparePlace, servers: StunServers, onChange: () => void) {
    this.place = place
    this.#servers = servers
    this.#onChange = onChange
    setMaxListeners(0, this.#stop.signal)
    this.#running = this.#run()
  }

  get spare(): SparePort | undefined {
    return this.#connection && { local: this.#connection.local, mapped: this.#connection.binding.mapped }
  }

  async stop(): Promise<void> {
    this.#stop.abort('the spare port is given up')
    await this.#connection?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let waitMs = retryMinMs; !signal.aborted; waitMs = Math.min(2 * waitMs, retryMaxMs)) {
      const connection = await this.#connect().catch(() => undefined)
      if (connection !== undefined) {
        waitMs = retryMinMs
        this.#show(connection)
        await this.#refresh(connection).catch(() => {})
        this.#show(undefined)
        await connection.close()
      }
      await pause(waitMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  /** By the first server that answers. */
  async #connect(): Promise<StunTcpConnection> {
    const { family, local: host } = this.place
    const { signal } = this.#stop
    const servers = await this.#servers.list(family, signal)
    let failure: unknown = new Error('no server')
    for (const server of servers) {
      try {
        return await connectStunTcp({ server, local: { host, port: 0 }, timeoutMs: spareTimeoutMs, signal })
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  /** Until the connection ends or does not answer any more. */
  async #refresh(connection: StunTcpConnection): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const isOver = await Promise.race([connection.closed.then(() => true), pause(spareRefreshMs, false, { signal, ref: false })])
      if (isOver) return
      await connection.refresh({ timeoutMs: spareTimeoutMs, signal })
      this.#onChange()
    }
  }

  #show(connection: StunTcpConnection | undefined): void {
    this.#connection = connection
    this.#onChange()
  }
}
