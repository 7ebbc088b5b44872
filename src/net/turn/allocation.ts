import { defaults } from '../../config/defaults.js'
import { ThroughlineError, toFailure, type Failure } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import { attribute, readAttribute } from '../../protocol/stun/attribute.js'
import type { StunMessage } from '../../protocol/stun/message.js'
import { turnMethods } from '../../protocol/turn/methods.js'
import { lifetime } from '../../protocol/turn/numbers.js'
import type { TurnLink } from './link.js'
import type { Permissions } from './permissions.js'
import type { TurnRequests } from './requests.js'
import { relayError } from './turn-errors.js'
import type { TurnLimits, TurnRealm } from './types.js'

/** What an allocation is made of. */
export interface AllocationParts {
  readonly link: TurnLink
  readonly name: string
  readonly requests: TurnRequests
  readonly permissions: Permissions
  readonly relayed: Endpoint
  readonly mapped: Endpoint
  readonly lifetimeMs: number
}

/** What every allocation has, whatever it relays: it stays alive until it is closed or lost. Owned by whoever opened it. */
export class Allocation {
  readonly name: string
  readonly link: TurnLink
  readonly relayed: Endpoint
  readonly mapped: Endpoint
  readonly requests: TurnRequests
  readonly permissions: Permissions
  readonly closed: Promise<Failure | undefined>
  /** Set by who made it, in the turn it came. Returns false for what nobody asked for. */
  onIndication: (message: StunMessage) => boolean = () => false
  onChannelData: (bytes: Buffer) => void = () => {}
  /** Refreshes what has to be, besides allocation and permissions. */
  onUpkeep: (limits: TurnLimits) => void = () => {}
  readonly #over = new AbortController()
  #refreshTimer: NodeJS.Timeout | undefined
  readonly #permissionTimer: NodeJS.Timeout
  #resolveClosed!: (failure: Failure | undefined) => void
  #closing: Promise<void> | undefined

  constructor({ name, link, relayed, mapped, requests, permissions, lifetimeMs }: AllocationParts) {
    this.name = name
    this.link = link
    this.relayed = relayed
    this.mapped = mapped
    this.requests = requests
    this.permissions = permissions
    this.closed = new Promise(resolve => (this.#resolveClosed = resolve))
    this.#refreshIn(lifetimeMs)
    this.#permissionTimer = setInterval(() => this.#keepUp(), defaults.turn.permissionRefreshMs)
  }

  /** Aborted when it is over. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** An empty one for a server that asks nobody who he is. */
  get realm(): TurnRealm {
    return this.requests.realm ?? { realm: '', nonce: '' }
  }

  /** Ends it without a word to the server. */
  fail(error: ThroughlineError): void {
    if (!this.#stop(error)) return
    this.requests.stop(error)
    this.link.drop(error.code, error.message)
    void this.link.closed.then(() => this.#resolveClosed(toFailure(error)))
  }

  /** Gives it back. Idempotent, never rejects. */
  async close(): Promise<void> {
    const why = new ThroughlineError('ERR_CANCELLED', `the allocation at ${this.name} was closed`)
    if (this.#stop(why)) {
      this.requests.cancel(why)
      await this.requests.ask(refreshFor(0), { timeoutMs: defaults.turn.releaseTimeoutMs, signal: new AbortController().signal }).catch(() => {})
      this.requests.stop(why)
      this.link.end()
      void this.link.closed.then(() => this.#resolveClosed(undefined))
    }
    await this.closed
  }

  /** False when it was over before. */
  #stop(why: ThroughlineError): boolean {
    if (this.#over.signal.aborted) return false
    clearTimeout(this.#refreshTimer)
    clearInterval(this.#permissionTimer)
    this.#over.abort(why)
    return true
  }

  #refreshIn(lifetimeMs: number): void {
    this.#refreshTimer = setTimeout(() => void this.#refresh(), lifetimeMs * defaults.turn.refreshShare)
  }

  async #refresh(): Promise<void> {
    try {
      const reply = await this.requests.ask(refreshFor(undefined), this.#upkeepLimits())
      if (!this.over.aborted) this.#refreshIn(lifetimeOf(reply))
    } catch (error) {
      this.fail(ThroughlineError.is(error) ? error : relayError('ERR_RELAY_LOST', this.name, 'the refresh failed', error))
    }
  }

  #keepUp(): void {
    void this.permissions.refresh(this.#upkeepLimits())
    this.onUpkeep(this.#upkeepLimits())
  }

  #upkeepLimits(): TurnLimits {
    return { timeoutMs: defaults.turn.upkeepTimeoutMs, signal: this.over }
  }
}

const refreshFor = (seconds: number | undefined) =>
  ({ method: turnMethods.refresh, attributes: seconds === undefined ? [] : [attribute(lifetime, seconds)] })

/** How long an allocation lasts after this reply, within reason. */
export function lifetimeOf(reply: StunMessage): number {
  const { lifetimeMs, minLifetimeMs } = defaults.turn
  return Math.min(Math.max((readAttribute(reply, lifetime) ?? Infinity) * 1_000, minLifetimeMs), lifetimeMs)
}
