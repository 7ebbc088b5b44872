import { merge, Subject, type Observable } from 'rxjs'
import { createActor, type ActorRefFrom, type InspectionEvent } from 'xstate'
import { createNatProbeActors } from '../../machines/nat-probe/nat-probe.actors.js'
import { defaultNatProbePolicy, natProbeMachine } from '../../machines/nat-probe/nat-probe.machine.js'
import type { RunBatchInput } from '../../machines/nat-probe/nat-probe.types.js'
import { agree } from '../nat/enumeration/agreement.js'
import { unknownProfile } from '../nat/enumeration/classify.js'
import type { Observation, ProbeRound } from '../nat/enumeration/probes.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import type { InterfaceProfile, NatProfile } from '../nat/nat-profile.js'
import { probeBatch } from '../net/nat-prober.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import { placeKey, widest } from './local-endpoints.js'
import { SparePorts } from './spare-ports.js'
import type { StunServers } from './stun-servers.js'
import type { NetworkInterface } from './types.js'

type ProbeActor = ActorRefFrom<typeof natProbeMachine>

/** Who answered by TCP at an address; at most two rounds. */
interface Discovery {
  readonly local: string
  readonly rounds: readonly ProbeRound[]
  readonly servers: readonly Endpoint[]
}

/** What watching the network takes. */
export interface NetworkWatchOptions {
  readonly servers: StunServers
  readonly inspect: ((event: InspectionEvent) => void) | undefined
}

/** What the network does by each interface and family, and a spare punch port on each. One natProbe actor each, bounded by our addresses. */
export class NetworkWatch {
  readonly spares: SparePorts
  readonly #options: NetworkWatchOptions
  readonly #machine
  readonly #probes = new Map<string, { readonly actor: ProbeActor; local: string; discovery?: Discovery }>()
  readonly #changes$ = new Subject<void>()
  #own: readonly OwnAddress[] = []

  /** Something was learnt, or went stale. */
  readonly changes$: Observable<void>

  constructor(options: NetworkWatchOptions) {
    this.#options = options
    this.spares = new SparePorts(async ({ local, family }, signal) => {
      const believed = this.serversAt(local) ?? []
      return believed.length > 0 ? believed : options.servers.list(family, signal)
    })
    this.changes$ = merge(this.#changes$, this.spares.changes$)
    const actors = createNatProbeActors({
      listServers: (family, signal) => options.servers.list(family, signal),
      probe: async (request, signal) => {
        const observations = await probeBatch({ local: request.local, batch: request.batch, random: Math.random }, signal)
        this.#noteDiscovery(request, observations)
        return observations
      },
      random: Math.random,
    })
    this.#machine = natProbeMachine.provide({ actors })
  }

  /** Our addresses, now or anew: what came is probed, what changed is probed again, what went is forgotten. */
  update(own: readonly OwnAddress[]): void {
    this.#own = own
    if (this.#options.servers.isEmpty) return this.#changes$.next()
    const wanted = new Map(widest(own).map(one => [placeKey(one), one]))
    for (const [key, { actor }] of [...this.#probes]) if (!wanted.has(key)) this.#end(key, actor)
    for (const [key, { interfaceName, family, address }] of wanted) {
      const probe = this.#probes.get(key)
      if (probe === undefined) this.#begin(key, { interfaceName, family, local: address })
      else if (probe.local !== address) {
        probe.local = address
        this.spares.drop(key)
        probe.actor.send({ type: 'network.changed', local: address })
      }
    }
    this.#changes$.next()
  }

  /** Every address of ours, with what is known there. */
  get interfaces(): readonly NetworkInterface[] {
    return this.#own.map(own => {
      const probe = this.#probes.get(placeKey(own))
      const snapshot = probe?.local === own.address ? probe.actor.getSnapshot() : undefined
      const { profile, isStale, lastFailure } = snapshot?.context ?? {}
      return {
        ...(profile ?? unknownInterface(own)), name: own.interfaceName, local: own.address,
        state: isStale !== false ? 'stale' : profile === undefined ? 'sampling' : 'known',
        ...(lastFailure !== undefined && { error: lastFailure }),
      }
    })
  }

  /** What is known of TCP at one of our addresses; what was measured from another address of the interface does not count. */
  tcpAt(address: string): NatProfile | undefined {
    return this.#profileAt(address)?.tcp
  }

  /** The address by which the world sees one of ours; null where that is not known. */
  externalAt(address: string): string | null {
    return this.#profileAt(address)?.external ?? null
  }

  /** Servers that answer by TCP at one of our addresses and are believed, nearest first; undefined while nobody was asked there. */
  serversAt(address: string): readonly Endpoint[] | undefined {
    const probe = this.#probeAt(address)
    if (probe?.discovery?.local === address) return probe.discovery.servers
    return probe?.actor.getSnapshot().context.lastFailure === undefined ? undefined : []
  }

  /** True when each first enumeration has ended, and the first try to get a spare port after it, however they did. */
  get isSettled(): boolean {
    return this.spares.isSettled && [...this.#probes.values()].every(({ actor }) => {
      const { profile, isStale } = actor.getSnapshot().context
      return profile !== undefined || isStale
    })
  }

  /** Ends every probe and spare port. Idempotent. */
  async close(): Promise<void> {
    for (const [key, { actor }] of [...this.#probes]) this.#end(key, actor)
    this.#changes$.complete()
    await this.spares.close()
  }

  #probeAt(address: string) {
    return [...this.#probes.values()].find(({ local }) => local === address)
  }

  #profileAt(address: string): InterfaceProfile | undefined {
    const profile = this.#probeAt(address)?.actor.getSnapshot().context.profile
    return profile?.local === address ? profile : undefined
  }

  /** Whoever is outvoted is not asked where the world sees us. */
  #noteDiscovery({ batch, local, ...place }: RunBatchInput, observations: readonly Observation[]): void {
    const probe = this.#probes.get(placeKey(place))
    if (probe === undefined || batch.transport !== 'tcp' || batch.purpose !== 'discover') return
    const rounds = [...(batch.index === 0 ? [] : (probe.discovery?.rounds ?? [])), { batch, observations }]
    const nearest = [...agree(rounds, 'tcp', local).trusted].sort((a, b) => a.rttMs - b.rttMs)
    const servers = new Map(nearest.map(({ server }) => [formatEndpoint(server), server]))
    probe.discovery = { local, rounds, servers: [...servers.values()] }
  }

  #begin(key: string, input: Pick<OwnAddress, 'interfaceName' | 'family'> & { readonly local: string }): void {
    const { inspect } = this.#options
    const actor = createActor(this.#machine, { input: { ...input, policy: defaultNatProbePolicy }, ...(inspect !== undefined && { inspect }) })
    this.#probes.set(key, { actor, local: input.local })
    actor.subscribe({
      next: ({ value, context }) => {
        if (value === 'known') this.spares.keep(key, { family: context.family, local: context.local })
        this.#changes$.next()
      },
      error: () => this.#changes$.next(),
    })
    actor.start()
  }

  #end(key: string, actor: ProbeActor): void {
    this.#probes.delete(key)
    this.spares.drop(key)
    actor.send({ type: 'probe.stop' })
    actor.stop()
  }
}

const unknownInterface = ({ interfaceName, family, address }: OwnAddress) => ({
  name: interfaceName, family, local: address, external: null, hairpin: { tcp: null, udp: null }, cgnatSuspected: false, tcp: unknownProfile, udp: unknownProfile,
})
