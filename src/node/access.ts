import { strategyOrder, type Strategy } from '../../machines/strategies.js'
import { ThroughlineError } from '../errors/index.js'
import type { AuthorizeRequest, NodeOptions } from './types.js'

/**
 * Who may use this node (docs/security.md). Alone, an allow list decides; with `authorize` the application does, for
 * listed peers too, and the list only says who is no stranger.
 */
export class Access {
  readonly #allowed: ReadonlySet<string> | 'any' | undefined
  readonly #authorize: NodeOptions['authorize']
  /** Peers `authorize` accepted the last time; at most `maxAccepted`, the one accepted longest ago is forgotten. */
  readonly #accepted = new Set<string>()

  constructor({ allow, authorize }: Pick<NodeOptions, 'allow' | 'authorize'>) {
    this.#allowed = allow === undefined || allow === 'any' ? allow : new Set(allow)
    this.#authorize = authorize
  }

  /** True when nothing has to be asked to know that the peer is refused. */
  denies(peerId: string): boolean {
    return this.#authorize === undefined && this.#allowed !== undefined && !this.#isListed(peerId)
  }

  /** Not a stranger: listed, or accepted by the application before. */
  isKnown(peerId: string): boolean {
    return this.#isListed(peerId) || this.#accepted.has(peerId)
  }

  /** True when only the application can say, so that nothing may be revealed before it is asked. */
  needsAsking(peerId: string): boolean {
    return this.#authorize !== undefined && !this.isKnown(peerId)
  }

  /** The strategies the peer may use, where that does not depend on an answer of the application. */
  allowedUnasked(peerId: string): readonly Strategy[] | undefined {
    return this.#authorize === undefined && !this.denies(peerId) ? strategyOrder : undefined
  }

  /** The strategies the peer may use in this session, whatever it offers now or later. Rejects with ERR_REFUSED, or with what `authorize` threw. */
  async decide(request: AuthorizeRequest & { readonly strategies: readonly Strategy[] }, signal: AbortSignal): Promise<readonly Strategy[]> {
    if (this.denies(request.peerId)) throw refused()
    if (this.#authorize === undefined) return strategyOrder
    const answer = await this.#authorize(request, { signal })
    const granted = answer === true ? strategyOrder : strategyOrder.filter(strategy => answer !== false && answer.includes(strategy))
    this.#accepted.delete(request.peerId)
    if (granted.length === 0) throw refused()
    this.#accept(request.peerId)
    return granted
  }

  #isListed(peerId: string): boolean {
    return this.#allowed === 'any' || this.#allowed?.has(peerId) === true
  }

  #accept(peerId: string): void {
    this.#accepted.add(peerId)
    const [eldest] = this.#accepted
    if (this.#accepted.size > maxAccepted && eldest !== undefined) this.#accepted.delete(eldest)
  }
}

const maxAccepted = 4_096

const refused = () => new ThroughlineError('ERR_REFUSED', 'this node does not accept the peer')
