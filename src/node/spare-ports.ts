import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Subject, type Observable } from 'rxjs'
import { defaults } from '../config/defaults.js'
import type { Endpoint, Family } from '../protocol/endpoint.js'
import { connectStunTcp, type StunTcpConnection } from '../net/stun-tcp-client.js'
import type { StunServers } from './stun-servers.js'

/** The numbers of a spare port, in milliseconds. */
export interface SparePolicy {
  /** From one question to the next. */
  readonly refreshMs: number
  /** Connecting, and each question. */
  readonly timeoutMs: number
  /** First wait after a loss; it doubles while none lasts until it is asked again. */
  readonly retryMinMs: number
  readonly retryMaxMs: number
}

const { spareRefreshMs, spareTimeoutMs, retryMinMs, retryMaxMs } = defaults.natProbe
const defaultSparePolicy: SparePolicy = { refreshMs: spareRefreshMs, timeoutMs: spareTimeoutMs, retryMinMs, retryMaxMs }

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
  readonly #policy: SparePolicy
  readonly #kept = new Map<string, Keeper>()
  /** Ending; each ends within `dial.lingerMs`. */
  readonly #ending = new Set<Promise<void>>()
  readonly #changes$ = new Subject<void>()

  /** A spare port came or went. */
  readonly changes$: Observable<void> = this.#changes$.asObservable()

  constructor(servers: StunServers, policy: SparePolicy = defaultSparePolicy) {
    this.#servers = servers
    this.#policy = policy
  }

  /** Keeps one there from now on; a place that moved to another address starts anew. */
  keep(key: string, place: SparePlace): void {
    if (this.#kept.get(key)?.place.local === place.local) return
    this.drop(key)
    this.#kept.set(key, new Keeper(place, this.#servers, this.#policy, () => this.#changes$.next()))
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
  readonly #policy: SparePolicy
  readonly #onChange: () => void
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #connection: StunTcpConnection | undefined

  constructor(place: SparePlace, servers: StunServers, policy: SparePolicy, onChange: () => void) {
    this.place = place
    this.#servers = servers
    this.#policy = policy
    this.#onChange = onChange
    setMaxListeners(0, this.#stop.signal)
    this.#running = this.#run()
  }

  get spare(): SparePort | undefined {
    return this.#connection && { local: this.#connection.local, mapped: this.#connection.binding.mapped }
  }

  async stop(): Promise<void> {
    this.#stop.abort('the spare port is given up')
    // its FIN needs nobody who waits for the server's
    void this.#connection?.close()
    await this.#running
  }

  /** A server that hangs up soon is asked after the others, and less and less often. */
  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { retryMinMs, retryMaxMs } = this.#policy
    let waitMs = retryMinMs
    for (let turn = 0; !signal.aborted; turn += 1) {
      const connection = await this.#connect(turn).catch(() => undefined)
      const hasLasted = connection !== undefined && (await this.#hold(connection))
      if (hasLasted) waitMs = retryMinMs
      // many lose the same server at once
      await pause((waitMs * (1 + Math.random())) / 2, undefined, { signal, ref: false }).catch(() => {})
      waitMs = Math.min(2 * waitMs, retryMaxMs)
    }
  }

  /** By the first server that answers. */
  async #connect(turn: number): Promise<StunTcpConnection> {
    const { family, local: host } = this.place
    const { signal } = this.#stop
    const servers = await this.#servers.list(family, signal)
    const first = turn % Math.max(servers.length, 1)
    let failure: unknown = new Error('no server')
    for (const server of [...servers.slice(first), ...servers.slice(0, first)]) {
      try {
        return await connectStunTcp({ server, local: { host, port: 0 }, timeoutMs: this.#policy.timeoutMs, signal })
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  /** Until the connection ends or does not answer any more; tells whether it ever answered again. */
  async #hold(connection: StunTcpConnection): Promise<boolean> {
    const { signal } = this.#stop
    const { refreshMs, timeoutMs } = this.#policy
    const over = new AbortController()
    void connection.closed.then(() => over.abort())
    this.#show(connection)
    let hasLasted = false
    try {
      for (;;) {
        await pause(refreshMs, undefined, { signal: over.signal, ref: false })
        await connection.refresh({ timeoutMs, signal })
        hasLasted = true
        this.#onChange()
      }
    } catch {
      this.#show(undefined)
      void connection.close()
      return hasLasted
    }
  }

  #show(connection: StunTcpConnection | undefined): void {
    this.#connection = connection
    this.#onChange()
  }
}
