import { isIP } from 'node:net'
import type { RelayHold } from '../../machines/relay/relay.actors.js'
import type { RelaysEvent } from '../../machines/relay/relay.types.js'
import type { PeerEndpoints, StrategyInput } from '../../machines/shared/strategy.types.js'
import { defaults } from '../config/defaults.js'
import { toFailure, type Failure } from '../errors/index.js'
import { familyOfPeer, permittedHosts } from '../nat/relay/permitted-hosts.js'
import { SharedAllocation } from '../net/relay/shared-allocation.js'
import { ResourceTable } from '../net/resource-table.js'
import { familyOf, type Family } from '../protocol/endpoint.js'
import type { TurnUrl } from '../protocol/turn-url.js'
import type { RelayServers } from './relay-servers.js'

/** Whose attempt it is. */
type Whose = Pick<StrategyInput, 'peerId' | 'role'>

/** The relay allocations of all attempts, and of the channels through them. */
export class Relays {
  readonly #servers: RelayServers
  readonly #isKnown: (peerId: string) => boolean
  readonly #table = new ResourceTable<SharedAllocation>('allocation')
  /** All that live; each is held by an attempt, or by a channel. */
  readonly #live = new Set<SharedAllocation>()
  #strangers = 0

  constructor(servers: RelayServers, isKnown: (peerId: string) => boolean) {
    this.#servers = servers
    this.#isKnown = isKnown
  }

  /** An allocation an attempt holds. */
  get(id: string): SharedAllocation | undefined {
    return this.#table.get(id)
  }

  /** Those of one attempt, which releases it. */
  hold({ peerId, role }: Whose, tell: (event: RelaysEvent) => void): RelayHold {
    const isStranger = role === 'responder' && !this.#isKnown(peerId)
    const mayAsk = !isStranger || this.#strangers < defaults.relay.strangerHolds
    if (isStranger) this.#strangers += 1
    const onRelease = () => {
      if (isStranger) this.#strangers -= 1
    }
    return new AttemptRelays({ servers: this.#servers, mayAsk, tell, onRelease, table: this.#table, live: this.#live })
  }

  /** Gives all back; resolves when the servers know, or cannot be told. */
  async close(): Promise<void> {
    this.#servers.close()
    await this.#table.disposeAll()
    await Promise.all([...this.#live].map(({ allocation }) => allocation.close()))
  }
}

interface AttemptRelaysOptions {
  readonly servers: RelayServers
  /** False: too many strangers hold one. */
  readonly mayAsk: boolean
  readonly tell: (event: RelaysEvent) => void
  readonly onRelease: () => void
  readonly table: ResourceTable<SharedAllocation>
  readonly live: Set<SharedAllocation>
}

/** The relayed endpoints of one attempt: one, and one of the other family where the peer has that only. */
class AttemptRelays implements RelayHold {
  readonly #options: AttemptRelaysOptions
  readonly #stop = new AbortController()
  /** By their ids in the table. */
  readonly #held = new Map<string, SharedAllocation>()
  readonly #asked = new Set<Family | 'any'>()

  constructor(options: AttemptRelaysOptions) {
    this.#options = options
  }

  allocate(peer: PeerEndpoints | undefined): void {
    const { servers, mayAsk, tell } = this.#options
    if (servers.usable.length === 0) return tell({ type: 'relay.unavailable', failure: none })
    if (!mayAsk) return tell({ type: 'relay.unavailable', failure: tooMany })
    void this.#ask(undefined, peer)
  }

  permit(peer: PeerEndpoints): void {
    let isReachable = false
    for (const shared of this.#held.values()) {
      const hosts = permittedHosts(peer, shared.allocation.relayed).slice(0, defaults.relay.maxPermissions)
      isReachable ||= hosts.length > 0
      void shared.permit(hosts, this.#limits)
    }
    const family = familyOfPeer(peer)
    if (!isReachable && this.#held.size > 0 && family !== undefined) void this.#ask(family, peer)
  }

  release(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort('the attempt is over')
    this.#options.onRelease()
    for (const id of this.#held.keys()) this.#options.table.release(id)
    this.#held.clear()
  }

  get #limits() {
    return { timeoutMs: defaults.relay.serverMs, signal: this.#stop.signal }
  }

  async #ask(family: Family | undefined, peer: PeerEndpoints | undefined): Promise<void> {
    const wanted = family ?? 'any'
    if (this.#asked.has(wanted)) return
    this.#asked.add(wanted)
    const { servers, table, live, tell } = this.#options
    const { signal } = this.#stop
    try {
      const allocation = await servers.first({ signal, peers: server => peersAhead(server, family, peer), ...(family !== undefined && { family }) })
      const shared = new SharedAllocation(allocation)
      live.add(shared)
      void shared.closed.then(() => live.delete(shared))
      if (signal.aborted) return shared.release()
      const allocationId = table.add(shared, ({ release }) => release())
      this.#held.set(allocationId, shared)
      void shared.closed.then(failure => this.#lose(allocationId, failure))
      const { relayed, server } = allocation
      tell({ type: 'relay.allocated', relay: { allocationId, record: { relayed, server } } })
    } catch (error) {
      if (!signal.aborted && family === undefined) tell({ type: 'relay.unavailable', failure: toFailure(error) })
    }
  }

  #lose(allocationId: string, failure: Failure | undefined): void {
    if (this.#stop.signal.aborted || failure === undefined) return
    this.#held.delete(allocationId)
    this.#options.table.release(allocationId)
    this.#options.tell({ type: 'relay.lost', allocationId, failure })
  }
}

/** Who may come, before it is known where the relayed endpoint will be: mostly where the server is. */
function peersAhead({ host }: TurnUrl, family: Family | undefined, peer: PeerEndpoints | undefined): readonly string[] {
  if (peer === undefined) return []
  const isThere = isIP(host) !== 0 && (family === undefined || familyOf(host) === family)
  const place = isThere ? host : family === 6 ? '2001:db8::1' : '192.0.2.1'
  return permittedHosts(peer, { host: place, port: 1 }).slice(0, defaults.relay.maxPermissions)
}

const none: Failure = { code: 'ERR_RELAY_NONE', message: 'no TURN server is configured here' }
const tooMany: Failure = { code: 'ERR_BUDGET', message: 'too many strangers hold a relay here' }
