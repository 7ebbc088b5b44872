import { setTimeout as pause } from 'node:timers/promises'
import { defaults } from '../config/defaults.js'
import { raceStunTcp } from '../net/stun-race.js'
import type { StunTcpConnection } from '../net/stun-tcp-client.js'
import type { Endpoint, Family } from '../protocol/endpoint.js'

/** The numbers of a spare port, in milliseconds. */
export interface SparePolicy {
  /** From one question to the next. */
  readonly refreshMs: number
  /** Connecting, and each question. */
  readonly timeoutMs: number
  /** After one was claimed. */
  readonly claimRefillMs: number
  /** First wait after a loss; it doubles while none lasts until it is asked again. */
  readonly retryMinMs: number
  readonly retryMaxMs: number
}

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

/** Servers to be asked from a place, best first. */
export type ListServers = (place: SparePlace, signal: AbortSignal) => Promise<readonly Endpoint[]>

/** Keeps one spare port at a place: connects, asks again now and then, and begins anew when it is lost or claimed. Works until it is stopped. */
export class SparePortKeeper {
  readonly place: SparePlace
  readonly #servers: ListServers
  readonly #policy: SparePolicy
  readonly #onChange: () => void
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #connection: StunTcpConnection | undefined
  /** Claimed, and given back before there was another. */
  #returned: StunTcpConnection | undefined
  #hasTried = false
  /** Ends the wait of the moment: somebody claims, gives back, or stops. */
  #wake = new AbortController()

  constructor(place: SparePlace, servers: ListServers, policy: SparePolicy, onChange: () => void) {
    this.place = place
    this.#servers = servers
    this.#policy = policy
    this.#onChange = onChange
    this.#running = this.#run()
  }

  get spare(): SparePort | undefined {
    return this.#connection && { local: this.#connection.local, mapped: this.#connection.binding.mapped }
  }

  /** True when the first try has ended, however it did. */
  get hasTried(): boolean {
    return this.#hasTried
  }

  /** Hands the warm one over to the caller. */
  release(): StunTcpConnection | undefined {
    const connection = this.#connection
    if (connection === undefined) return undefined
    this.#show(undefined)
    this.#wake.abort()
    return connection
  }

  /** False when there is one already, or none is wanted. */
  takeBack(connection: StunTcpConnection): boolean {
    if (this.#stop.signal.aborted || this.#connection !== undefined || this.#returned !== undefined) return false
    this.#returned = connection
    this.#wake.abort()
    return true
  }

  async stop(): Promise<void> {
    this.#stop.abort('the spare port is given up')
    this.#wake.abort()
    // its FIN needs nobody who waits for the server's
    void this.#connection?.close()
    await this.#running
    void this.#returned?.close()
  }

  /** A server that hangs up soon is asked after the others, and less and less often. */
  async #run(): Promise<void> {
    const { retryMinMs, retryMaxMs, claimRefillMs } = this.#policy
    let backoffMs = retryMinMs
    let turn = 0
    while (!this.#stop.signal.aborted) {
      const connection = await this.#next(turn)
      this.#hasTried = true
      if (connection === undefined) this.#onChange()
      const end = connection === undefined ? 'lost' : await this.#hold(connection)
      if (end !== 'lost') backoffMs = retryMinMs
      // many lose the same server at once
      const waitMs = end === 'claimed' ? claimRefillMs : (backoffMs * (1 + Math.random())) / 2
      if (this.#returned === undefined) await this.#wait(waitMs)
      if (end === 'claimed') continue
      backoffMs = Math.min(2 * backoffMs, retryMaxMs)
      turn += 1
    }
  }

  /** What was given back, else a new one by the first server that answers; undefined when none does. */
  async #next(turn: number): Promise<StunTcpConnection | undefined> {
    const connection = this.#returned === undefined ? await this.#connect(turn).catch(() => undefined) : undefined
    const returned = this.#returned
    this.#returned = undefined
    if (returned !== undefined) void connection?.close()
    return returned ?? connection
  }

  async #connect(turn: number): Promise<StunTcpConnection> {
    const { timeoutMs } = this.#policy
    const signal = this.#renewWake()
    const servers = await this.#servers(this.place, signal)
    const first = turn % Math.max(servers.length, 1)
    return raceStunTcp({
      servers: [...servers.slice(first), ...servers.slice(0, first)], local: { host: this.place.local, port: 0 },
      staggerMs: defaults.punch.serverStaggerMs, timeoutMs, signal,
    })
  }

  /** Until the connection is claimed, ends, or does not answer any more; `lasted`: it answered again before it was lost. */
  async #hold(connection: StunTcpConnection): Promise<'claimed' | 'lasted' | 'lost'> {
    const { refreshMs, timeoutMs } = this.#policy
    this.#show(connection)
    let end: 'lasted' | 'lost' = 'lost'
    void connection.closed.then(() => this.#connection === connection && this.#wake.abort())
    try {
      for (;;) {
        await this.#wait(refreshMs)
        if (this.#connection !== connection) return 'claimed'
        await connection.refresh({ timeoutMs, signal: this.#stop.signal })
        if (this.#connection !== connection) return 'claimed'
        end = 'lasted'
        this.#onChange()
      }
    } catch {
      if (this.#connection !== connection) return 'claimed'
      this.#show(undefined)
      void connection.close()
      return end
    }
  }

  /** Never rejects. */
  async #wait(forMs: number): Promise<void> {
    await pause(forMs, undefined, { signal: this.#renewWake(), ref: false }).catch(() => {})
  }

  #renewWake(): AbortSignal {
    this.#wake = new AbortController()
    if (this.#stop.signal.aborted) this.#wake.abort()
    return this.#wake.signal
  }

  #show(connection: StunTcpConnection | undefined): void {
    this.#connection = connection
    this.#onChange()
  }
}
