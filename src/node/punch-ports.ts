import type { PunchHold } from '../../machines/punch/punch.actors.js'
import { defaults } from '../config/defaults.js'
import { toFailure } from '../errors/index.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import { unknownProfile } from '../nat/enumeration/classify.js'
import type { NatProfile } from '../nat/nat-profile.js'
import { makeSite, siteNeed, type SiteNeed } from '../nat/punch/site.js'
import type { PunchSite } from '../nat/punch/volley.js'
import { findFreePort } from '../net/free-port.js'
import { askStunTcp, raceStunTcp } from '../net/stun-race.js'
import type { StunTcpConnection } from '../net/stun-tcp-client.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import { loopback, punchPlaces } from './local-endpoints.js'
import type { NetworkWatch } from './network-watch.js'
import type { StunServers } from './stun-servers.js'

const { serverMs, serverStaggerMs, secondServerMs } = defaults.punch

/** What ports are gathered from. */
export interface PunchPortsOptions {
  readonly network: Pick<NetworkWatch, 'tcpAt' | 'externalAt' | 'serversAt' | 'spares'>
  readonly servers: Pick<StunServers, 'list'>
  readonly own: () => readonly OwnAddress[]
}

/** A port of ours and, where a server told its mapping, the connection that keeps it. */
interface KeptPort {
  readonly local: Endpoint
  readonly connection: StunTcpConnection | undefined
}

/**
 * The ports of one attempt to punch (docs/decisions/0015): a site per interface and family. It keeps mappings from one
 * gathering to the next; what is foretold is sampled anew each time. Connections to STUN servers stay open until
 * `release`; at most one per place and gathering, two while a NAT is not known.
 */
export class PunchPorts implements PunchHold {
  readonly #options: PunchPortsOptions
  readonly #stop = new AbortController()
  /** All that live. */
  readonly #open = new Set<StunTcpConnection>()
  /** By our address: the port that stays, and whose mapping is stated where there is one. */
  readonly #kept = new Map<string, KeptPort>()
  /** By our address: NATs that showed what they are before they were enumerated. */
  readonly #shown = new Map<string, NatProfile>()

  constructor(options: PunchPortsOptions) {
    this.#options = options
  }

  /** At once where every site is at hand, else within `punch.serverMs`; a site whose server is silent has its local endpoint. */
  gather(isSampling: boolean, signal: AbortSignal): readonly PunchSite[] | Promise<readonly PunchSite[]> {
    const sites = punchPlaces(this.#options.own()).map(place => this.#siteAt(place, isSampling, signal))
    if (sites.every((site): site is PunchSite => !(site instanceof Promise))) return sites
    return Promise.all(sites.map(site => Promise.resolve(site))).then(made => made.filter(site => site !== undefined))
  }

  /** Ends all connections; a mapping that was not used may serve as spare port. */
  release(wasUsed: boolean): void {
    this.#stop.abort('the ports are released')
    const kept = new Set([...this.#kept.values()].map(({ connection }) => connection))
    for (const connection of this.#open) {
      if (!wasUsed && kept.has(connection)) this.#options.network.spares.giveBack(connection)
      else void connection.close()
    }
    this.#open.clear()
  }

  #siteAt(place: OwnAddress, isSampling: boolean, signal: AbortSignal): PunchSite | Promise<PunchSite | undefined> {
    const { address: host } = place
    const need = siteNeed(this.#natAt(host), isSampling)
    const kept = need === 'mapping' ? this.#mappingAt(host) : need === 'none' ? this.#kept.get(host) : undefined
    if (kept !== undefined) return this.#site(place, isSampling, kept)
    return this.#gatherAt(place, need, isSampling, AbortSignal.any([signal, this.#stop.signal, AbortSignal.timeout(serverMs)]))
  }

  async #gatherAt(place: OwnAddress, need: SiteNeed, isSampling: boolean, signal: AbortSignal): Promise<PunchSite | undefined> {
    const { address: host } = place
    // a NAT that lost a mapping may give the same one to the same port
    const before = need === 'mapping' ? this.#kept.get(host)?.local : undefined
    const again = before && (await this.#ask(place, before, signal))
    const local = again === undefined ? await freshPort(host, need) : before
    if (local === undefined) return undefined
    const isMapped = need !== 'freshPort' && need !== 'none'
    const [connection, other] = again ?? (isMapped ? await this.#ask(place, local, signal) : undefined) ?? []
    if (need === 'mapping' || need === 'none') this.#kept.set(host, { local, connection })
    if (need === 'mapping' && other !== undefined && !isSameMapping(connection, other)) this.#shown.set(host, dependentNat)
    return this.#site(place, isSampling, { local, connection })
  }

  /** Connections to STUN servers from a port, best first: one, or two where the NAT is not known; none where nobody answers. Undefined when the port can't be used, for we listen there. */
  async #ask(place: OwnAddress, local: Endpoint, signal: AbortSignal): Promise<readonly StunTcpConnection[] | undefined> {
    const { network, servers } = this.#options
    const request = { local, timeoutMs: serverMs, signal }
    try {
      const believed = place === loopback ? [] : (network.serversAt(local.host) ?? (await servers.list(place.family, signal)))
      const isKnown = (this.#natAt(local.host)?.mapping ?? 'unknown') !== 'unknown'
      const connections = isKnown
        ? [await raceStunTcp({ ...request, servers: believed, staggerMs: serverStaggerMs })]
        : await askStunTcp({ ...request, servers: believed.slice(0, 2), graceMs: secondServerMs })
      for (const connection of connections) this.#take(connection)
      return connections
    } catch (error) {
      return toFailure(error).code === 'ERR_DIAL_LOCAL' ? undefined : []
    }
  }

  /** The mapping that lives, else the warm one. */
  #mappingAt(host: string): KeptPort | undefined {
    const kept = this.#kept.get(host)
    if (kept?.connection !== undefined && this.#open.has(kept.connection)) return kept
    const connection = kept === undefined ? this.#options.network.spares.claim(host) : undefined
    if (connection === undefined) return undefined
    this.#take(connection)
    const claimed = { local: connection.local, connection }
    this.#kept.set(host, claimed)
    return claimed
  }

  #take(connection: StunTcpConnection): void {
    if (this.#stop.signal.aborted) return void connection.close()
    this.#open.add(connection)
    void connection.closed.then(() => this.#open.delete(connection))
  }

  #natAt(host: string): NatProfile | undefined {
    return this.#shown.get(host) ?? this.#options.network.tcpAt(host)
  }

  #site({ address: host, family }: OwnAddress, isSampling: boolean, { local, connection }: KeptPort): PunchSite {
    return makeSite({
      host, family, local, nat: this.#natAt(host), external: this.#options.network.externalAt(host), isSampling,
      ...(connection !== undefined && { mapped: connection.binding.mapped }),
    })
  }
}

/** A port nobody uses; for neighbours the next is free, too. */
async function freshPort(host: string, need: SiteNeed): Promise<Endpoint | undefined> {
  const port = await findFreePort(host, need === 'neighbours' ? 2 : 1)
  return port === undefined ? undefined : { host, port }
}

const isSameMapping = (one: StunTcpConnection | undefined, other: StunTcpConnection): boolean =>
  one !== undefined && formatEndpoint(one.binding.mapped) === formatEndpoint(other.binding.mapped)

/** Two servers see one port at two endpoints: the next mapping may be anywhere. */
const dependentNat: NatProfile = { ...unknownProfile, mapping: 'address-and-port-dependent' }
