import { Subject, type Observable } from 'rxjs'
import { defaults } from '../config/defaults.js'
import { ThroughlineError, toFailure, type Failure } from '../errors/index.js'
import type { Clock } from '../net/clock.js'
import { race } from '../net/race.js'
import type { AllocationRequest, TcpAllocation, TurnRealm } from '../net/turn/types.js'
import { familyOf, formatEndpoint, type Family } from '../protocol/endpoint.js'
import type { TurnUrl } from '../protocol/turn-url.js'
import type { RelaySummary } from './types.js'

/** Asks one server for an allocation. */
export type Allocate = (request: AllocationRequest) => Promise<TcpAllocation>

/** What an attempt wants. */
export interface RelayWish {
  readonly family?: Family
  /** Addresses of the peer, for the permissions of an allocation at that server. */
  readonly peers: (server: TurnUrl) => readonly string[]
  readonly signal: AbortSignal
}

interface ServerState {
  readonly url: TurnUrl
  readonly summary: RelaySummary
  readonly realm?: TurnRealm
}

/**
 * The TURN servers of this node, and what they did last: asked once at the start, now and then after it, and whenever an
 * attempt needs one. Their realm and nonce are kept, which spares an attempt a round trip. Bounded by the list.
 */
export class RelayServers {
  readonly #allocate: Allocate
  readonly #clock: Clock
  readonly #states: ServerState[]
  readonly #changes$ = new Subject<void>()
  readonly #stop = new AbortController()
  #hasAsked = false
  #cancelNext = () => {}

  /** What is known of a server changed. */
  readonly changes$: Observable<void> = this.#changes$.asObservable()

  constructor(servers: readonly TurnUrl[], allocate: Allocate, clock: Clock) {
    this.#allocate = allocate
    this.#clock = clock
    this.#states = servers.map(url => ({ url, summary: url.transport === 'udp' ? unusable(url) : { server: nameOf(url), state: 'asking' } }))
  }

  /** Those a TCP allocation can be had from, in the order of the list. */
  get usable(): readonly TurnUrl[] {
    return this.#states.filter(({ summary }) => summary.state !== 'unusable').map(({ url }) => url)
  }

  get summaries(): readonly RelaySummary[] {
    return this.#states.map(({ summary }) => summary)
  }

  /** True when the first round has its answers. */
  get isSettled(): boolean {
    return this.#states.every(({ summary }) => summary.state !== 'asking') || (this.#hasAsked && this.#stop.signal.aborted)
  }

  /** Asks each server once for an allocation and gives it back; again after a while. Never rejects. */
  async probe(): Promise<void> {
    this.#cancelNext()
    this.#hasAsked = true
    const { signal } = this.#stop
    await Promise.all(this.usable.map(async url => {
      const allocation = await this.#ask(url, { peers: () => [], signal }, signal).catch(() => undefined)
      await allocation?.close()
    }))
    if (signal.aborted || this.usable.length === 0) return
    const { retryMs, refreshMs } = defaults.relay
    const isAnyDown = this.#states.some(({ summary }) => summary.state === 'failed')
    this.#cancelNext = this.#clock.after(isAnyDown ? retryMs : refreshMs, () => void this.probe())
  }

  /** An allocation of the first server that answers; the caller owns it. Rejects ERR_RELAY_* or ERR_CANCELLED. */
  first(wish: RelayWish): Promise<TcpAllocation> {
    const { serverStaggerMs: staggerMs, allocateMs: timeoutMs } = defaults.relay
    return race({
      candidates: this.usable, open: (url, signal) => this.#ask(url, wish, signal), drop: allocation => void allocation.close(),
      staggerMs, timeoutMs, signal: AbortSignal.any([wish.signal, this.#stop.signal]), what: 'asking TURN servers',
      nobody: () => new ThroughlineError('ERR_RELAY_TIMEOUT', `none of ${this.usable.length} TURN servers answered`),
    })
  }

  close(): void {
    this.#cancelNext()
    this.#stop.abort('the node closes')
    this.#changes$.complete()
  }

  async #ask(server: TurnUrl, { family, peers }: RelayWish, signal: AbortSignal): Promise<TcpAllocation> {
    const realm = this.#states.find(({ url }) => url === server)?.realm
    try {
      const allocation = await this.#allocate({
        server, timeoutMs: defaults.relay.serverMs, signal, peers: peers(server), ...(family !== undefined && { family }), ...(realm !== undefined && { realm }),
      })
      const { relayed, mapped, rttMs } = allocation
      this.#note(server, { server: nameOf(server), state: 'serving', family: familyOf(relayed.host), relayed: relayed.host, mapped: mapped.host, rttMs }, allocation.realm)
      return allocation
    } catch (error) {
      const failure = toFailure(error)
      // a family it lacks, and a race that is lost, say nothing about the server
      if (!signal.aborted && family === undefined) this.#note(server, { server: nameOf(server), state: 'failed', error: failure })
      throw error
    }
  }

  #note(server: TurnUrl, summary: RelaySummary, realm?: TurnRealm): void {
    const at = this.#states.findIndex(({ url }) => url === server)
    const before = this.#states[at]
    if (before === undefined || this.#stop.signal.aborted) return
    const known = realm ?? before.realm
    this.#states[at] = { url: server, summary, ...(known !== undefined && { realm: known }) }
    this.#changes$.next()
  }
}

const nameOf = ({ host, port }: TurnUrl): string => formatEndpoint({ host, port })

const unusable = (url: TurnUrl): RelaySummary => ({ server: nameOf(url), state: 'unusable', error: overUdp })

const overUdp: Failure = { code: 'ERR_RELAY_UNSUPPORTED', message: 'this version relays over TCP only: a server for it is named with ?transport=tcp' }
