import { defaults } from '../../../../src/config/defaults.js'
import type { NatProfile } from '../../../../src/nat/nat-profile.js'
import { drawPorts } from '../../../../src/nat/punch/draw-ports.js'
import { needsSampling, planVolleys, type PunchPlanInput } from '../../../../src/nat/punch/plan-volleys.js'
import { makeSite, siteNeed } from '../../../../src/nat/punch/site.js'
import type { PunchSite, Volley } from '../../../../src/nat/punch/volley.js'
import { formatEndpoint, type Endpoint } from '../../../../src/protocol/endpoint.js'
import { SimulatedNat, seeded, type Allocation, type NatKind } from '../enumeration/simulated-nat.js'

export interface SimulatedSide {
  readonly kind: NatKind
  /** TCP's filter is often not known. */
  readonly isFilterKnown: boolean
}

export interface SimulatedPunch {
  readonly seed: number
  /** The initiator and the responder. */
  readonly sides: readonly [SimulatedSide, SimulatedSide]
  readonly birthday?: PunchPlanInput['birthday']
  /** The responder fires so much later, or earlier. */
  readonly skewMs?: number
  /** Share of SYNs. */
  readonly loss?: number
  /** 0: only the plans are wanted. */
  readonly limitMs?: number
}

export interface PunchResult {
  /** Since the first SYN; undefined when nothing came through. */
  readonly connectedMs: number | undefined
  readonly volleys: readonly [readonly Volley[], readonly Volley[]]
  readonly profiles: readonly [NatProfile, NatProfile]
  readonly hasSampled: readonly [boolean, boolean]
}

const stun: Endpoint = { host: '192.0.2.1', port: 3478 }
const rttMs = 40
/** From samples to SYNs. */
const ageMs = 250

/** Two hosts behind NATs that drop; virtual time. Both sides plan from what they told each other, and fire. */
export function punch({ seed, sides, birthday = 'full', skewMs = 0, loss = 0, limitMs = 4_000 }: SimulatedPunch): PunchResult {
  const random = seeded(seed)
  const hosts = [new Host(sides[0], 1, random), new Host(sides[1], 2, random)] as const
  const [a, b] = hosts
  for (const host of hosts) host.gather(0, false)
  const hasSampled = [needsSampling([a.site], [b.site.record]), needsSampling([b.site], [a.site.record])] as const
  if (hasSampled[0]) for (const host of hosts) host.gather(0, true)
  const volleys = [a.plan(b, 'initiator', birthday), b.plan(a, 'responder', birthday)] as const
  const world = new World(hosts, random, loss)
  const earlier = Math.min(0, skewMs)
  for (const [place, host] of hosts.entries()) for (const volley of volleys[place]!) world.fire(host, volley, ageMs - earlier + place * skewMs)
  const connectedAtMs = limitMs > 0 ? world.run(ageMs + limitMs) : undefined
  return { connectedMs: connectedAtMs && connectedAtMs - ageMs, volleys, profiles: [a.profile, b.profile], hasSampled }
}

class Host {
  readonly nat: SimulatedNat
  readonly address: string
  readonly external: string
  readonly profile: NatProfile
  readonly listening = new Set<number>()
  /** Local port and remote endpoint. */
  readonly pending = new Set<string>()
  readonly #ports: Iterator<number>
  site: PunchSite

  constructor({ kind, isFilterKnown }: SimulatedSide, place: number, random: () => number) {
    this.external = `203.0.113.${place}`
    this.address = kind.mapping === 'none' ? this.external : `10.0.${place}.2`
    this.nat = new SimulatedNat(this.external, kind, random)
    // evens: the port after one of them is free
    this.#ports = drawPorts(5_000, 30_000, 4_000, random).map(half => half * 2).values()
    const seen = Array.from({ length: 16 }, () => this.nat.out({ host: this.address, port: this.freshPort() }, stun).port)
    this.profile = profileOf(this.nat.kind, isFilterKnown, seen)
    this.site = makeSite({ host: this.address, family: 4, nat: this.profile, external: this.external, isSampling: false })
  }

  freshPort(): number {
    return this.#ports.next().value as number
  }

  gather(nowMs: number, isSampling: boolean): void {
    const need = siteNeed(this.profile, isSampling)
    const local = { host: this.address, port: this.freshPort() }
    this.nat.advance(nowMs)
    const mapped = need === 'none' || need === 'freshPort' ? undefined : this.nat.out(local, stun)
    this.site = makeSite({ host: this.address, family: 4, nat: this.profile, external: this.external, local, ...(mapped && { mapped }), isSampling })
  }

  plan(peer: Host, role: PunchPlanInput['role'], birthday: PunchPlanInput['birthday']): readonly Volley[] {
    const own = [{ interfaceName: 'eth0', family: 4 as const, address: this.address, cidr: `${this.address}/32` }]
    return planVolleys({ role, mine: [this.site], theirs: [peer.site.record], own, isSameMachine: false, mayDialPrivate: false, birthday }).volleys
  }
}

const behaviours = { none: 'none', EIM: 'endpoint-independent', ADM: 'address-dependent', APDM: 'address-and-port-dependent' } as const
const filters = { EIF: 'endpoint-independent', ADF: 'address-dependent', APDF: 'address-and-port-dependent' } as const

/** What a perfect enumeration would say. */
export function profileOf({ mapping, filtering, allocation, othersPerS }: Required<NatKind>, isFilterKnown: boolean, seen: readonly number[]): NatProfile {
  return {
    mapping: behaviours[mapping], filtering: isFilterKnown ? filters[filtering] : 'unknown', ...(mapping === 'none' ? { allocation: 'none', delta: 0 } : allocationOf(allocation)),
    range: [Math.min(...seen), Math.max(...seen)], confidence: 0.94 * Math.exp(-othersPerS * 0.15), classic: 'unknown', blocked: false,
  }
}

function allocationOf(allocation: Allocation): Pick<NatProfile, 'allocation' | 'delta'> {
  if (allocation === 'preserving') return { allocation: 'equal', delta: 0 }
  if (allocation === 'random' || 'block' in allocation) return { allocation: 'random', delta: 0 }
  if ('offset' in allocation) return { allocation: 'offset', delta: allocation.offset }
  if ('sequential' in allocation) return { allocation: 'sequential', delta: allocation.sequential }
  if ('perPort' in allocation) return { allocation: 'dependent', delta: allocation.perPort }
  throw new Error('no such NAT here')
}

class World {
  readonly #hosts: readonly Host[]
  readonly #random: () => number
  readonly #loss: number
  /** By the millisecond. */
  readonly #events = new Map<number, (() => void)[]>()
  #nowMs = 0
  #connectedAtMs: number | undefined

  constructor(hosts: readonly Host[], random: () => number, loss: number) {
    this.#hosts = hosts
    this.#random = random
    this.#loss = loss
  }

  fire(host: Host, { localPorts, remoteHost, remotePorts, random, bursts = [], listenMs, delayMs }: Volley, atMs: number): void {
    this.#at(atMs + delayMs, () => {
      const ports = localPorts.map(port => port || host.freshPort())
      const send = (remotes: readonly number[]) => remotes.forEach(remotePort => ports.forEach(port => this.#send(host, port, { host: remoteHost, port: remotePort })))
      const rest = () => {
        const count = bursts.reduce((sum, size) => sum + size, 0)
        const drawn = random && drawPorts(random.low, random.high, count, this.#random)
        const shots = Array.from({ length: drawn?.length ?? count }, (_, place) => (drawn ? [ports.at(-1)!, drawn[place]!] as const : [host.freshPort(), remotePorts[0]!] as const))
        for (const [wave, size] of bursts.entries()) {
          const burst = shots.splice(0, size)
          this.#at(this.#nowMs + wave * defaults.punch.burstEveryMs, () => burst.forEach(([port, remote]) => this.#send(host, port, { host: remoteHost, port: remote })))
        }
      }
      if (listenMs === undefined) {
        send(remotePorts)
        return rest()
      }
      send(remotePorts.slice(0, 1))
      for (const port of ports) host.listening.add(port)
      if (listenMs === Infinity) return
      this.#at(this.#nowMs + listenMs, () => {
        for (const port of ports) host.listening.delete(port)
        send(remotePorts.slice(1))
        rest()
      })
    })
  }

  run(untilMs: number): number | undefined {
    for (; this.#nowMs <= untilMs && this.#connectedAtMs === undefined; this.#nowMs += 1) {
      // what is to happen in this very millisecond is appended while we go
      for (const happen of this.#events.get(this.#nowMs) ?? []) happen()
    }
    return this.#connectedAtMs
  }

  #at(atMs: number, happen: () => void): void {
    const ms = Math.round(atMs)
    const events = this.#events.get(ms)
    if (events === undefined) this.#events.set(ms, [happen])
    else events.push(happen)
  }

  /** Once, and by the kernel after 1 and 3 s. */
  #send(host: Host, port: number, to: Endpoint): void {
    const key = keyOf(port, to)
    host.pending.add(key)
    for (const laterMs of [0, 1_000, 3_000]) this.#at(this.#nowMs + laterMs, () => host.pending.has(key) && this.#syn(host, port, to))
  }

  #syn(host: Host, port: number, to: Endpoint): void {
    host.nat.advance(this.#nowMs)
    const from = host.nat.out({ host: host.address, port }, to)
    const peer = this.#hosts.find(({ external }) => external === to.host)
    if (peer === undefined || this.#random() < this.#loss) return
    this.#at(this.#nowMs + rttMs / 2, () => {
      const inside = peer.nat.in(to.port, from)
      if (inside === undefined) return
      // a socket that waits for this very endpoint comes before one that listens, and its answer has to leave by the mapping that was called
      const isAwaited = peer.pending.has(keyOf(inside.port, from))
      if (isAwaited && peer.nat.out(inside, from).port !== to.port) return
      if (isAwaited || peer.listening.has(inside.port)) this.#connectedAtMs ??= this.#nowMs + rttMs / 2
      else this.#at(this.#nowMs + rttMs / 2, () => this.#refused(host, port, to))
    })
  }

  #refused(host: Host, port: number, to: Endpoint): void {
    if (!host.pending.delete(keyOf(port, to))) return
    this.#at(this.#nowMs + (this.#random() * rttMs) / 2, () => this.#send(host, port, to))
  }
}

const keyOf = (port: number, to: Endpoint): string => `${port} ${formatEndpoint(to)}`
