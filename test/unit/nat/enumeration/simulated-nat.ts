import type { Transport } from '../../../../src/nat/nat-profile.js'
import type { Endpoint } from '../../../../src/protocol/endpoint.js'

export type Mapping = 'none' | 'EIM' | 'ADM' | 'APDM'
export type Filtering = 'EIF' | 'ADF' | 'APDF'
/**
 * `perPort`: last + delta for the local port after the last one, whoever's that was, else random. `linear`: a multiple of the local port. `perDestination`: each
 * local port counts by itself, from a random start. `block`: at random within blocks of so many ports; `ordered`: in order within them.
 */
export type Allocation =
  | 'preserving'
  | 'random'
  | { readonly offset: number }
  | { readonly sequential: number }
  | { readonly perPort: number }
  | { readonly linear: number }
  | { readonly perDestination: number }
  | { readonly block: number }
  | { readonly ordered: number }

export interface NatKind {
  readonly mapping?: Mapping
  readonly filtering?: Filtering
  readonly allocation?: Allocation
  readonly hairpin?: boolean
  readonly ports?: readonly [number, number]
  /** Different destinations may share an external port, as with Linux. */
  readonly overloads?: boolean
  /** New mappings of other hosts between two of ours, on average. */
  readonly others?: number
  /** New mappings of other hosts in a second, on average. */
  readonly othersPerS?: number
}

interface Binding {
  readonly inside: Endpoint
  readonly port: number
  readonly sentTo: Set<string>
}

/** Uniform in [0, 1), from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A NAT in memory: one transport, one external address, mappings that never end. */
export class SimulatedNat {
  readonly address: string
  readonly kind: Required<NatKind>
  readonly #random: () => number
  readonly #bindings = new Map<string, Binding>()
  readonly #byPort = new Map<number, Binding[]>()
  readonly #counters = new Map<string, number>()
  #last: number
  #lastLocal = -1
  #nextOtherMs = 0
  #block: number[] = []

  constructor(address: string, kind: NatKind, random: () => number) {
    this.address = address
    this.kind = { mapping: 'EIM', filtering: 'APDF', allocation: 'preserving', hairpin: false, ports: [1_024, 65_535], overloads: false, others: 0, othersPerS: 0, ...kind }
    this.#random = random
    this.#last = this.#draw()
  }

  /** Lets others make their mappings until then (Poisson's traffic). */
  advance(nowMs: number): void {
    if (this.kind.othersPerS === 0) return
    while (this.#nextOtherMs <= nowMs) {
      this.#takeOther()
      this.#nextOtherMs -= (1_000 * Math.log(1 - this.#random())) / this.kind.othersPerS
    }
  }

  /** A packet from inside; the endpoint it comes from outside. */
  out(inside: Endpoint, to: Endpoint): Endpoint {
    const key = [inside.host, inside.port, this.kind.mapping.startsWith('A') && to.host, this.kind.mapping === 'APDM' && to.port].join(' ')
    const binding = this.#bindings.get(key) ?? this.#bind(key, inside)
    binding.sentTo.add(to.host).add(`${to.host} ${to.port}`)
    return { host: this.kind.mapping === 'none' ? inside.host : this.address, port: binding.port }
  }

  /** A packet from outside; where it goes, if it is let in. */
  in(port: number, from: Endpoint): Endpoint | undefined {
    const { filtering } = this.kind
    const isOpen = ({ sentTo }: Binding) => filtering === 'EIF' || sentTo.has(filtering === 'ADF' ? from.host : `${from.host} ${from.port}`)
    return this.#byPort.get(port)?.find(isOpen)?.inside
  }

  #bind(key: string, inside: Endpoint): Binding {
    // as many as of Poisson's traffic in an exponential time
    while (this.#random() < this.kind.others / (1 + this.kind.others)) this.#takeOther()
    const port = this.kind.mapping === 'none' ? inside.port : this.#take(this.#choose(inside.port, inside.host))
    const binding = { inside, port, sentTo: new Set<string>() }
    this.#bindings.set(key, binding)
    this.#byPort.set(port, [...(this.#byPort.get(port) ?? []), binding])
    return binding
  }

  #takeOther(): void {
    this.#take(this.#choose(30_000 + Math.floor(this.#random() * 30_000), 'other'))
  }

  /** The wanted port, or the next free one. */
  #take(wanted: number): number {
    let port = this.#within(wanted)
    while (!this.kind.overloads && this.#byPort.has(port)) port = this.#within(port + 1)
    return port
  }

  #choose(local: number, host: string): number {
    const { allocation, ports } = this.kind
    const previous = this.#lastLocal
    this.#lastLocal = local
    if (allocation === 'preserving') return local
    if (allocation === 'random') return this.#draw()
    if ('offset' in allocation) return local + allocation.offset
    if ('linear' in allocation) return local * allocation.linear + 777
    if ('sequential' in allocation) return (this.#last = this.#within(this.#last + allocation.sequential))
    if ('perDestination' in allocation) {
      const next = (this.#counters.get(`${host} ${local}`) ?? this.#draw()) + allocation.perDestination
      this.#counters.set(`${host} ${local}`, next)
      return next
    }
    if ('perPort' in allocation) return (this.#last = this.#within(local === previous + 1 ? this.#last + allocation.perPort : this.#draw()))
    const size = 'block' in allocation ? allocation.block : allocation.ordered
    if (host === 'other') return this.#draw()
    if (this.#block.length === 0) {
      const draw = () => ports[0] + size * Math.floor((this.#random() * (ports[1] - ports[0] - size)) / size)
      let first = draw()
      while (this.#byPort.has(first)) first = draw()
      this.#block = Array.from({ length: size }, (_, place) => first + place)
    }
    const place = 'block' in allocation ? Math.floor(this.#random() * this.#block.length) : 0
    return this.#block.splice(place, 1)[0]!
  }

  #draw(): number {
    const [low, high] = this.kind.ports
    return low + Math.floor(this.#random() * (high - low + 1))
  }

  #within(port: number): number {
    const [low, high] = this.kind.ports
    const size = high - low + 1
    return ((((port - low) % size) + size) % size) + low
  }
}

/** What the simulator needs to know of a transport's way out. */
export type Chains = Readonly<Record<Transport, readonly SimulatedNat[] | 'blocked'>>
