import { defaults } from '../../config/defaults.js'
import { formatEndpoint, type Endpoint } from '../../protocol/endpoint.js'
import type { NatProfile, Transport } from '../nat-profile.js'
import { agree, type Agreement } from './agreement.js'
import { classifyTransport } from './classify.js'
import { mappedOf, wasSent, type FilterAsk, type FilteringProbe, type MappingProbe, type PortSlot, type Probe, type ProbeBatch, type ProbeRound } from './probes.js'
import { otherEndpoints } from './servers.js'

const policy = defaults.natProbe

/** What the plan goes by; the same input gives the same batch. */
export interface PlanInput {
  readonly transport: Transport
  /** Our address on the interface. */
  readonly local: string
  /** Named servers, IP literals of one family, best first. */
  readonly servers: readonly Endpoint[]
  /** What was done so far, of both transports: one learns the servers' other addresses for the other. */
  readonly rounds: readonly ProbeRound[]
}

/**
 * The next probes of an enumeration; undefined when nothing more can be learnt, or nobody answers. The two transports go on side by side, each
 * in three steps: who answers; 16 fresh ports towards one server in a single burst, and two of them towards all others; filter
 * and hairpin on ports of their own. Two batches at most make good for servers that fell out. A counter is looked at once more in the end,
 * after a time in which only others moved it.
 */
export function nextBatch(input: PlanInput): ProbeBatch | undefined {
  const mine = input.rounds.filter(({ batch }) => batch.transport === input.transport)
  const done = (purpose: ProbeBatch['purpose']) => mine.filter(({ batch }) => batch.purpose === purpose).length
  const agreement = agree(input.rounds, input.transport, input.local)
  const index = mine.length
  // ends whatever it is told
  if (done('recheck') > 0 || index > policy.discoverRounds + policy.allocateRounds + 1) return undefined
  if (done('behave') > 0) return recheckBatch(input, agreement, index)
  if (done('allocate') === 0 && agreement.voters < 2 && done('discover') < policy.discoverRounds) {
    const discover = discoverBatch(input, mine, index)
    if (discover !== undefined) return discover
  }
  const profile = classifyTransport(input.rounds, input.transport, input.local)
  if (agreement.trusted.length === 0 || profile.range === null) return undefined
  const isWanting = done('allocate') === 0 || (profile.allocation === 'unknown' && done('allocate') < policy.allocateRounds)
  if (isWanting) return allocateBatch(input, agreement, index, done('allocate'))
  return behaveBatch(input, agreement, index, profile)
}

/** One local port towards each server that was not asked yet. */
function discoverBatch({ transport, servers }: PlanInput, mine: readonly ProbeRound[], index: number): ProbeBatch | undefined {
  const sent = mine.flatMap(({ observations }) => observations.filter(one => one.kind === 'mapping').filter(wasSent))
  const asked = new Set(sent.map(({ server }) => formatEndpoint(server)))
  const next = unique(servers).filter(server => !asked.has(formatEndpoint(server))).slice(0, policy.discoverServers)
  if (next.length === 0) return undefined
  const slots = slotsFrom(index)
  const slot = slots.next()
  return batchOf(transport, 'discover', index, next.map(server => ({ kind: 'mapping', slot, server, to: server })))
}

/**
 * Runs of consecutive ports of unlike lengths, so that blocks of the NAT don't coincide with them, each begun somewhere else: a counter goes
 * on across the leaps, what hangs on local ports does not. The last two ports then go to all other endpoints that are known to be there.
 */
function allocateBatch(input: PlanInput, agreement: Agreement, index: number, attempt: number): ProbeBatch | undefined {
  const servers = byMerit(input, agreement)
  const target = servers[attempt % servers.length]
  if (target === undefined) return undefined
  const slots = slotsFrom(index)
  const burst = runLengths.flatMap(length => slots.run(length)).map((slot): MappingProbe => ({ kind: 'mapping', slot, server: target, to: target }))
  const others = otherEndpoints(input.rounds, target)
  const elsewhere = [
    ...[others.port, others.address, others.both].filter(to => to !== undefined).map(to => ({ server: target, to })),
    ...servers.filter(server => server !== target).map(server => ({ server, to: server })),
  ]
  const known = new Set([formatEndpoint(target)])
  const wide = elsewhere.filter(({ to }) => !known.has(formatEndpoint(to)) && known.add(formatEndpoint(to))).slice(0, policy.destinations)
  const again = burst.slice(-2).flatMap(({ slot }) => wide.map(({ server, to }): MappingProbe => ({ kind: 'mapping', slot, server, to })))
  return batchOf(input.transport, 'allocate', index, [...burst, ...again])
}

const runLengths = [3, 5, 2, 4, 2]

function behaveBatch(input: PlanInput, agreement: Agreement, index: number, { mapping, allocation }: NatProfile): ProbeBatch | undefined {
  const { transport } = input
  const slots = slotsFrom(index)
  const servers = byMerit(input, agreement)
  // who dials back over TCP shows only when asked
  const asked = servers.slice(0, transport === 'udp' ? policy.filterServers : policy.discoverServers)
  const probes: Probe[] = asked.flatMap(server => filterProbes(input, server, mapping, slots))
  const [server] = servers
  if (server === undefined) return undefined
  if (mapping === 'endpoint-independent') probes.push({ kind: 'hairpin', slots: [slots.next(), slots.next()], server, to: server })
  // last, so that nothing of ours opens a flow from here to `recheck`
  if (allocation === 'sequential' || allocation === 'dependent') probes.push(...slots.run(policy.counterPorts).map((slot): MappingProbe => ({ kind: 'mapping', slot, server, to: server })))
  if (probes.length === 0) return undefined
  // of the slowest that is asked: silence has to mean something
  const isAsked = new Set(asked.map(formatEndpoint))
  const rttMs = Math.max(...agreement.trusted.filter(one => isAsked.has(formatEndpoint(one.to))).map(one => one.rttMs))
  const maxMs = Math.min(policy.maxMs, policy.behaveRtts * rttMs + policy.slackMs + (transport === 'udp' ? (policy.filterTries - 1) * policy.filterGapMs : 0))
  return { ...batchOf(transport, 'behave', index, probes), maxMs: Math.max(maxMs, policy.hairpinMs) }
}

/** The local ports after the last ones of `behave`, towards the same server: what counts goes on there, whether by mapping or by local port. */
function recheckBatch({ transport, rounds }: PlanInput, { trusted }: Agreement, index: number): ProbeBatch | undefined {
  const before = mappedOf(rounds.filter(({ batch }) => batch.purpose === 'behave'), transport).find(one => trusted.includes(one))
  if (before === undefined) return undefined
  const { slot: { run, index: place }, server, to, local, sentAtMs, rttMs } = before
  const probes = Array.from({ length: policy.counterPorts }, (_, next): MappingProbe => ({ kind: 'mapping', slot: { run, index: policy.counterPorts + next }, server, to }))
  const maxMs = Math.min(policy.maxMs, policy.patienceFactor * rttMs + policy.slackMs)
  return { ...batchOf(transport, 'recheck', index, probes), maxMs, startsAtMs: sentAtMs + policy.recheckAfterMs, firstPort: local.port - place }
}

/** Each ask has a port of its own: what it sends opens the filter for where it goes, and over TCP the port listens meanwhile. */
function filterProbes({ transport, rounds }: PlanInput, server: Endpoint, mapping: string, slots: Slots): FilteringProbe[] {
  const others = otherEndpoints(rounds, server)
  const asks: FilterAsk[] = [
    ...(mapping === 'none' && others.both !== undefined ? ['unsolicited' as const] : []),
    ...(others.address !== undefined ? ['other-address' as const] : []),
    // over TCP any other port will do, which every server has
    ...(others.port !== undefined || transport === 'tcp' ? ['other-port' as const] : []),
  ]
  const ask = { kind: 'filtering', server, to: server, gapMs: policy.filterGapMs } as const
  const probeOf = (one: FilterAsk, tries: number): FilteringProbe =>
    ({ ...ask, ask: one, tries, slot: slots.next(), ...(one === 'unsolicited' && { listen: slots.next() }) })
  // the kernel repeats a SYN after 1 s only: two ports at once instead
  return transport === 'udp' ? asks.map(one => probeOf(one, policy.filterTries)) : asks.flatMap(one => [probeOf(one, 1), probeOf(one, 1)])
}

/** Servers that are believed and answered by this transport: first those whose other endpoints are known to answer, then those that have some, then by round trip. */
function byMerit({ rounds, transport }: PlanInput, { trusted }: Agreement): readonly Endpoint[] {
  const answering = new Set(mappedOf(rounds, transport).map(({ to }) => formatEndpoint(to)))
  const named = trusted.filter(({ server, to }) => formatEndpoint(server) === formatEndpoint(to))
  const merit = named.map(({ server, rttMs }) => {
    const { port, address, both } = otherEndpoints(rounds, server)
    const others = [port, address, both].filter(other => other !== undefined)
    return { server, rttMs, others: others.length, alive: others.filter(other => answering.has(formatEndpoint(other))).length }
  })
  return unique(merit.sort((a, b) => b.alive - a.alive || b.others - a.others || a.rttMs - b.rttMs).map(({ server }) => server))
}

const batchOf = (transport: Transport, purpose: ProbeBatch['purpose'], index: number, probes: readonly Probe[]): ProbeBatch => ({ transport, purpose, index, probes, maxMs: policy.maxMs })

interface Slots {
  /** A port in a run of its own. */
  next(): PortSlot
  run(length: number): readonly PortSlot[]
}

/** More runs than any batch has. */
const runsPerBatch = 64

function slotsFrom(index: number): Slots {
  let run = index * runsPerBatch
  const take = (length: number): PortSlot[] => {
    const slots = Array.from({ length }, (_, place) => ({ run, index: place }))
    run += 1
    return slots
  }
  return { next: () => take(1)[0]!, run: take }
}

function unique(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...new Map(endpoints.map(endpoint => [formatEndpoint(endpoint), endpoint])).values()]
}
