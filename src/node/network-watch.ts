import { merge, Subject, type Observable } from 'rxjs'
import { createActor, type ActorRefFrom, type InspectionEvent } from 'xstate'
import { createNatProbeActors } from '../../machines/nat-probe/nat-probe.actors.js'
import { defaultNatProbePolicy, natProbeMachine } from '../../machines/nat-probe/nat-probe.machine.js'
import { unknownProfile } from '../nat/enumeration/classify.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import { ipScope } from '../nat/ip-scope.js'
import type { NatProfile } from '../nat/nat-profile.js'
import { probeBatch } from '../net/nat-prober.js'
import { SparePorts } from './spare-ports.js'
import type { StunServers } from './stun-servers.js'
import type { NetworkInterface } from './types.js'

type ProbeActor = ActorRefFrom<typeof natProbeMachine>

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
  readonly #probes = new Map<string, { readonly actor: ProbeActor; local: string }>()
  readonly #changes$ = new Subject<void>()
  #own: readonly OwnAddress[] = []

  /** Something was learnt, or went stale. */
  readonly changes$: Observable<void>

  constructor(options: NetworkWatchOptions) {
    this.#options = options
    this.spares = new SparePorts(options.servers)
    this.changes$ = merge(this.#changes$, this.spares.changes$)
    const actors = createNatProbeActors({
      listServers: (family, signal) => options.servers.list(family, signal),
      probe: ({ local, batch }, signal) => probeBatch({ local, batch, random: Math.random }, signal),
      random: Math.random,
    })
    this.#machine = natProbeMachine.provide({ actors })
  }

  /** Our addresses, now or anew: what came is probed, what changed is probed again, what went is forgotten. */
  update(own: readonly OwnAddress[]): void {
    this.#own = own
    if (this.#options.servers.isEmpty) return this.#changes$.next()
    const wanted = new Map(probed(own).map(one => [keyOf(one), one]))
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
      const probe = this.#probes.get(keyOf(own))
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
    const probe = [...this.#probes.values()].find(({ local }) => local === address)
    const profile = probe?.actor.getSnapshot().context.profile
    return profile?.local === address ? profile.tcp : undefined
  }

  /** True when each first enumeration has ended, however it did. */
  get isSettled(): boolean {
    return [...this.#probes.values()].every(({ actor }) => {
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

/** One address per interface and family: the widest in scope. Link-local ones lead to no server; loopback is there only if it was named. */
function probed(own: readonly OwnAddress[]): readonly OwnAddress[] {
  const usable = own.filter(({ address }) => ipScope(address) !== 'link-local')
  const best = new Map<string, OwnAddress>()
  for (const one of usable) {
    const known = best.get(keyOf(one))
    if (known === undefined || (ipScope(known.address) !== 'external' && ipScope(one.address) === 'external')) best.set(keyOf(one), one)
  }
  return [...best.values()]
}

const keyOf = ({ interfaceName, family }: Pick<OwnAddress, 'interfaceName' | 'family'>): string => `${interfaceName}/${family}`

const unknownInterface = ({ interfaceName, family, address }: OwnAddress) => ({
  name: interfaceName, family, local: address, external: null, hairpin: { tcp: null, udp: null }, cgnatSuspected: false, tcp: unknownProfile, udp: unknownProfile,
})
