import { Subject, type Observable } from 'rxjs'
import { defaults } from '../config/defaults.js'
import type { StunTcpConnection } from '../net/stun-tcp-client.js'
import { SparePortKeeper, type ListServers, type SparePlace, type SparePolicy, type SparePort } from './spare-port-keeper.js'

const { spareRefreshMs, spareTimeoutMs, claimRefillMs, retryMinMs, retryMaxMs } = defaults.natProbe
const defaultSparePolicy: SparePolicy = { refreshMs: spareRefreshMs, timeoutMs: spareTimeoutMs, claimRefillMs, retryMinMs, retryMaxMs }

/**
 * One spare punch port per interface and family: a TCP connection to a STUN server from a port of its own, asked again
 * now and then, so that its mapping lives and is known when a punch needs it. Bounded by the places it is told.
 */
export class SparePorts {
  readonly #servers: ListServers
  readonly #policy: SparePolicy
  readonly #kept = new Map<string, SparePortKeeper>()
  /** Ending; each ends within `dial.lingerMs`. */
  readonly #ending = new Set<Promise<void>>()
  readonly #changes$ = new Subject<void>()

  /** A spare port came or went, or could not be had. */
  readonly changes$: Observable<void> = this.#changes$.asObservable()

  constructor(servers: ListServers, policy: SparePolicy = defaultSparePolicy) {
    this.#servers = servers
    this.#policy = policy
  }

  /** Keeps one there from now on; a place that moved to another address starts anew. */
  keep(key: string, place: SparePlace): void {
    if (this.#kept.get(key)?.place.local === place.local) return
    this.drop(key)
    this.#kept.set(key, new SparePortKeeper(place, this.#servers, this.#policy, () => this.#changes$.next()))
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

  /** Takes the one of an address of ours out, if it is warm: the caller owns it. Another comes up after `claimRefillMs`, unless one is given back before. */
  claim(host: string): StunTcpConnection | undefined {
    return this.#keeperAt(host)?.release()
  }

  /** Takes a connection from whose port nothing else was sent: the spare port again, or ended where there is one. */
  giveBack(connection: StunTcpConnection): void {
    if (this.#keeperAt(connection.local.host)?.takeBack(connection) !== true) void connection.close()
  }

  /** True when for each the first try has ended, however it did. */
  get isSettled(): boolean {
    return [...this.#kept.values()].every(({ hasTried }) => hasTried)
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

  #keeperAt(host: string): SparePortKeeper | undefined {
    return [...this.#kept.values()].find(({ place }) => place.local === host)
  }
}
