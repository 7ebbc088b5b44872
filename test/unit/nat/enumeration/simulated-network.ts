import { classifyInterface } from '../../../../src/nat/enumeration/classify.js'
import { patienceMs } from '../../../../src/nat/enumeration/patience.js'
import { nextBatch } from '../../../../src/nat/enumeration/plan.js'
import { assignPorts } from '../../../../src/nat/enumeration/ports.js'
import type { FilteringProbe, HairpinProbe, MappingProbe, Observation, PortSlot, Probe, ProbeBatch, ProbeRound } from '../../../../src/nat/enumeration/probes.js'
import type { InterfaceProfile, Transport } from '../../../../src/nat/nat-profile.js'
import { formatEndpoint, type Endpoint } from '../../../../src/protocol/endpoint.js'
import { SimulatedNat, seeded, type Chains, type NatKind } from './simulated-nat.js'

export interface SimulatedServer {
  readonly endpoint: Endpoint
  readonly other?: Endpoint
  readonly is?: 'honest' | 'dead' | 'inside'
  /** What it says instead of what it sees. */
  readonly lie?: (mapped: Endpoint) => Endpoint
  readonly transports?: readonly Transport[]
}

export interface SimulatedNetwork {
  readonly seed: number
  readonly local?: string
  /** From the inside out; one for each transport where they differ. No NAT: an open host. */
  readonly nats?: readonly NatKind[] | Readonly<Record<Transport, readonly NatKind[] | 'blocked'>>
  readonly servers?: readonly SimulatedServer[]
  readonly rttMs?: number
  /** Share of packets, each way. */
  readonly loss?: number
  /** Share of ports that are taken. */
  readonly taken?: number
}

/** Three servers, two of them with RFC 5780. */
export const threeServers: readonly SimulatedServer[] = [
  { endpoint: { host: '192.0.2.1', port: 3478 }, other: { host: '192.0.2.11', port: 3479 } },
  { endpoint: { host: '192.0.2.2', port: 3478 } },
  { endpoint: { host: '192.0.2.3', port: 3478 }, other: { host: '192.0.2.13', port: 3479 } },
]

/** Enumerates a network that exists in memory only; virtual time. */
export function enumerate(network: SimulatedNetwork): { readonly profile: InterfaceProfile; readonly rounds: readonly ProbeRound[]; readonly elapsedMs: number } {
  const local = network.local ?? (network.nats === undefined ? '203.0.113.9' : '10.0.0.2')
  const simulation = new Simulation({ ...network, local })
  const servers = (network.servers ?? threeServers).map(({ endpoint }) => endpoint)
  const rounds: ProbeRound[] = []
  const clocks = { tcp: 0, udp: 0 }
  const open: Transport[] = ['udp', 'tcp']
  while (open.length > 0) {
    // whichever is earlier in virtual time goes on
    const transport = open.sort((a, b) => clocks[a] - clocks[b])[0]!
    const batch = nextBatch({ transport, local, servers, rounds })
    if (batch === undefined) open.splice(open.indexOf(transport), 1)
    else {
      const { observations, tookMs } = simulation.run(batch, clocks[transport])
      rounds.push({ batch, observations })
      clocks[transport] += tookMs
    }
  }
  return { profile: classifyInterface({ name: 'eth0', family: 4, local, rounds }), rounds, elapsedMs: Math.max(clocks.tcp, clocks.udp) }
}

/** When something was known, and what. */
interface Outcome {
  readonly atMs: number
  readonly observation: Observation
}

/** When a batch begins, and how much later the first packet of a probe leaves that gets through. */
interface Times {
  readonly startMs: number
  readonly leavesMs: number
}

class Simulation {
  readonly #network: SimulatedNetwork & { readonly local: string }
  readonly #random: () => number
  readonly #chains: Chains

  constructor(network: SimulatedNetwork & { readonly local: string }) {
    this.#network = network
    this.#random = seeded(network.seed)
    const chain = (transport: Transport): Chains[Transport] => {
      const { nats = [] } = network
      const kinds = 'tcp' in nats ? nats[transport] : nats
      return kinds === 'blocked' ? kinds : kinds.map((kind, place) => new SimulatedNat(place === kinds.length - 1 ? '203.0.113.5' : `100.64.0.${place + 1}`, kind, this.#random))
    }
    this.#chains = { tcp: chain('tcp'), udp: chain('udp') }
  }

  run(batch: ProbeBatch, nowMs: number): { readonly observations: readonly Observation[]; readonly tookMs: number } {
    const startMs = Math.max(nowMs, batch.startsAtMs ?? 0)
    const numberOf = assignPorts(batch, this.#random)
    const taken = new Set<number>()
    for (const probe of batch.probes) for (const slot of 'slot' in probe ? [probe.slot] : probe.slots) if (this.#random() < (this.#network.taken ?? 0)) taken.add(numberOf(slot))
    const portOf = (slot: PortSlot) => (taken.has(numberOf(slot)) ? undefined : numberOf(slot))
    const tasks = batch.probes.map((probe, order) => ({ probe, order, leavesMs: this.#delay(batch.transport) })).sort((a, b) => a.leavesMs - b.leavesMs || a.order - b.order)
    const outcomes = tasks.map(({ probe, order, leavesMs }) => {
      this.#advance(batch.transport, startMs + leavesMs)
      return this.#make(batch, probe, order, { startMs, leavesMs }, portOf)
    })
    outcomes.sort((a, b) => a.atMs - b.atMs)
    const settled: Observation[] = []
    let limitMs = batch.maxMs
    let tookMs = 0
    const cut: Observation[] = []
    for (const { atMs, observation } of outcomes) {
      if (atMs > limitMs) {
        cut.push({ ...observation, ...(observation.kind === 'mapping' ? { failure: 'ERR_STUN_TIMEOUT', mapped: undefined } : { outcome: 'ERR_STUN_TIMEOUT' }) })
        tookMs = limitMs
      } else {
        settled.push(observation)
        tookMs = atMs
        limitMs = patienceMs(batch, settled, this.#network.local)
      }
    }
    return { observations: [...settled, ...cut], tookMs: startMs - nowMs + tookMs }
  }

  /** Others go on meanwhile. */
  #advance(transport: Transport, nowMs: number): void {
    const chain = this.#chains[transport]
    if (chain !== 'blocked' && nowMs < Infinity) for (const nat of chain) nat.advance(nowMs)
  }

  /** How late the first packet that gets through leaves; beyond every limit when none does. */
  #delay(transport: Transport): number {
    const repeats = transport === 'tcp' ? [0, 1_000, 3_000] : [0, 500, 1_500]
    return repeats.find(() => this.#random() >= (this.#network.loss ?? 0)) ?? Infinity
  }

  #make(batch: ProbeBatch, probe: Probe, order: number, times: Times, portOf: (slot: PortSlot) => number | undefined): Outcome {
    if (probe.kind === 'mapping') return this.#map(batch, probe, order, times, portOf(probe.slot))
    return probe.kind === 'filtering' ? this.#filter(batch, probe, portOf) : this.#hairpin(batch, probe, portOf)
  }

  #map({ transport }: ProbeBatch, probe: MappingProbe, order: number, { startMs, leavesMs }: Times, port: number | undefined): Outcome {
    const fail = (failure: 'ERR_PORT_IN_USE' | 'ERR_STUN_TIMEOUT' | 'ERR_DIAL_REFUSED', atMs: number): Outcome => ({ atMs, observation: { ...probe, order, failure } })
    if (port === undefined) return fail('ERR_PORT_IN_USE', 0)
    const server = this.#serverAt(probe.to)
    const seen = leavesMs === Infinity ? undefined : this.#out(transport, port, probe.to)
    if (seen === undefined || server === undefined || server.is === 'dead') return fail('ERR_STUN_TIMEOUT', Infinity)
    if (server.transports?.includes(transport) === false) return transport === 'tcp' ? fail('ERR_DIAL_REFUSED', this.#rttMs) : fail('ERR_STUN_TIMEOUT', Infinity)
    const lostMs = this.#random() < (this.#network.loss ?? 0) ? (transport === 'tcp' ? 250 : 500) : 0
    const rttMs = leavesMs + lostMs + this.#rttMs * (transport === 'tcp' ? 2 : 1) + this.#random()
    const local = { host: this.#network.local, port }
    const mapped = server.is === 'inside' ? local : server.lie ? server.lie(seen) : seen
    return { atMs: rttMs, observation: { ...probe, order, local, mapped, sentAtMs: startMs, rttMs, ...(server.other && formatEndpoint(probe.to) === formatEndpoint(server.endpoint) && { other: server.other }) } }
  }

  #filter({ transport, maxMs }: ProbeBatch, probe: FilteringProbe, portOf: (slot: PortSlot) => number | undefined): Outcome {
    const server = this.#serverAt(probe.to)
    const port = portOf(probe.slot)
    const tell = (outcome: 'arrived' | 'nothing' | 'unsupported' | 'ERR_PORT_IN_USE', atMs: number): Outcome => ({ atMs, observation: { ...probe, outcome } })
    if (port === undefined) return tell('ERR_PORT_IN_USE', 0)
    const { other } = server ?? {}
    if (server === undefined || other === undefined) return tell('unsupported', this.#rttMs * 3)
    const seen = this.#out(transport, port, probe.to)!
    const otherPort = transport === 'udp' ? other.port : 50_000
    const from = probe.ask === 'other-port' ? { host: server.endpoint.host, port: otherPort } : { host: other.host, port: otherPort }
    const to = probe.listen === undefined ? seen : { host: seen.host, port: portOf(probe.listen) ?? 1 }
    for (let attempt = 0; attempt < probe.tries; attempt += 1) {
      const isLost = this.#random() < (this.#network.loss ?? 0) || this.#random() < (this.#network.loss ?? 0)
      if (!isLost && this.#in(transport, to.port, from)) return tell('arrived', attempt * probe.gapMs + this.#rttMs * (transport === 'tcp' ? 4 : 1))
    }
    return tell('nothing', maxMs)
  }

  #hairpin({ transport, maxMs }: ProbeBatch, probe: HairpinProbe, portOf: (slot: PortSlot) => number | undefined): Outcome {
    const ports = probe.slots.map(portOf)
    const tell = (outcome: 'arrived' | 'nothing' | 'ERR_PORT_IN_USE', atMs: number): Outcome => ({ atMs, observation: { ...probe, outcome } })
    const [a, b] = ports
    if (a === undefined || b === undefined) return tell('ERR_PORT_IN_USE', 0)
    const mapped = [a, b].map(port => this.#out(transport, port, probe.to)!)
    const crossed = [this.#out(transport, a, mapped[1]!)!, this.#out(transport, b, mapped[0]!)!]
    const outermost = (this.#chains[transport] as readonly SimulatedNat[]).at(-1)
    const arrives = outermost?.kind.hairpin === true && this.#in(transport, mapped[1]!.port, crossed[0]!)
    return arrives ? tell('arrived', this.#rttMs * 2) : tell('nothing', maxMs)
  }

  /** The source a server sees. */
  #out(transport: Transport, port: number, to: Endpoint): Endpoint | undefined {
    const chain = this.#chains[transport]
    return chain === 'blocked' ? undefined : chain.reduce((from, nat) => nat.out(from, to), { host: this.#network.local, port })
  }

  #in(transport: Transport, port: number, from: Endpoint): boolean {
    const chain = this.#chains[transport]
    if (chain === 'blocked') return false
    let at: Endpoint | undefined = { host: '', port }
    for (const nat of [...chain].reverse()) at = at && nat.in(at.port, from)
    return at !== undefined
  }

  #serverAt(to: Endpoint): SimulatedServer | undefined {
    const hosts = ({ endpoint, other }: SimulatedServer) => [endpoint.host, other?.host]
    const ports = ({ endpoint, other }: SimulatedServer) => [endpoint.port, other?.port]
    return (this.#network.servers ?? threeServers).find(server => hosts(server).includes(to.host) && ports(server).includes(to.port))
  }

  get #rttMs(): number {
    return this.#network.rttMs ?? 40
  }
}
