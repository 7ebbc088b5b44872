import { defaults } from '../../config/defaults.js'
import type { ThroughlineError } from '../../errors/index.js'
import { familyOf, type Family } from '../../protocol/endpoint.js'
import { attribute } from '../../protocol/stun/attribute.js'
import { ipFromBytes, ipToBytes } from '../../protocol/stun/ip-bytes.js'
import { xorPeerAddress } from '../../protocol/turn/addresses.js'
import { turnMethods } from '../../protocol/turn/methods.js'
import type { TurnQuestion, TurnRequests } from './requests.js'
import { relayError, relayRefusal } from './turn-errors.js'
import type { TurnLimits } from './types.js'

/** Whom an allocation lets in, by address. One request for each: a server refuses all of a request for one address it does not like. */
export class Permissions {
  readonly #requests: TurnRequests
  readonly #name: string
  readonly #family: Family
  /** At most `turn.maxPermissions`. */
  readonly #granted = new Set<string>()
  /** Asked for: who is let in may come before we hear of it. Likewise. */
  readonly #asked = new Set<string>()
  /** Asked for before the allocation was there; bounded by the request for it. `void` when the allocation was not there indeed. */
  readonly #early = new Map<string, Promise<'granted' | 'void' | ThroughlineError>>()

  constructor(requests: TurnRequests, name: string, family: Family) {
    this.#requests = requests
    this.#name = name
    this.#family = family
  }

  /** Whether an address may come. */
  has(host: string): boolean {
    return this.#asked.has(canonical(host))
  }

  /** Asks right behind a request for the allocation: void when that fails, and `permit` asks again then. */
  askEarly(hosts: readonly string[], limits: TurnLimits): void {
    const fitting = [...new Set(hosts.map(canonical))].filter(host => familyOf(host) === this.#family)
    for (const host of fitting.slice(0, defaults.turn.maxPermissions)) {
      this.#asked.add(host)
      this.#early.set(host, this.#askOnce(host, limits))
    }
  }

  /** Rejects with ERR_RELAY_*, or ERR_MALFORMED for what is no address, after all have an answer. */
  async permit(hosts: readonly string[], limits: TurnLimits): Promise<void> {
    const outcomes = await Promise.allSettled([...new Set(hosts.map(canonical))].map(host => this.#permitOne(host, limits)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Asks for all of them again. One that is refused is forgotten. */
  async refresh(limits: TurnLimits): Promise<void> {
    await Promise.all([...this.#granted].map(async host => {
      await this.#requests.ask(question(host), limits).catch(() => this.#forget(host))
    }))
  }

  async #permitOne(host: string, limits: TurnLimits): Promise<void> {
    if (this.#granted.has(host)) return
    if (familyOf(host) !== this.#family) throw relayError('ERR_RELAY_PEER', this.#name, `${host} is of another family than the relayed address`)
    const early = await this.#early.get(host)
    this.#early.delete(host)
    if (early === 'granted') return
    if (early !== undefined && early !== 'void') throw early
    if (this.#asked.size >= defaults.turn.maxPermissions && !this.#asked.has(host)) throw relayError('ERR_RELAY_PEER', this.#name, `more than ${defaults.turn.maxPermissions} peers`)
    this.#asked.add(host)
    try {
      await this.#requests.ask(question(host), limits)
      this.#granted.add(host)
    } catch (error) {
      this.#forget(host)
      throw error
    }
  }

  #forget(host: string): void {
    this.#granted.delete(host)
    this.#asked.delete(host)
  }

  async #askOnce(host: string, limits: TurnLimits): Promise<'granted' | 'void' | ThroughlineError> {
    try {
      const { verdict } = await this.#requests.once(question(host), limits)
      if (verdict.outcome === 'success') this.#granted.add(host)
      if (verdict.outcome === 'success') return 'granted'
      // of all refusals these alone are about the peer, for certain
      if (verdict.outcome !== 'refused' || ![403, 443].includes(verdict.error.code)) return 'void'
      this.#forget(host)
      return relayRefusal(this.#name, verdict.error, true)
    } catch {
      return 'void'
    }
  }
}

/** The port counts for nothing, but 0 would be malformed. */
const question = (host: string): TurnQuestion =>
  ({ method: turnMethods.createPermission, attributes: [attribute(xorPeerAddress, { host, port: 1 })], isAboutPeer: true })

const canonical = (host: string): string => ipFromBytes(ipToBytes(host))
