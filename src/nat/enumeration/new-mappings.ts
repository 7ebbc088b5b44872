import { formatEndpoint } from '../../protocol/endpoint.js'
import type { NatBehaviour } from '../../protocol/interface-record.js'
import type { Transport } from '../nat-profile.js'
import { slotKey, wasSent, type Mapped, type MappingObservation, type ProbeRound } from './probes.js'

/** A mapping the NAT had to make, at its place among those of its batch. */
export interface NewMapping {
  readonly localPort: number
  readonly externalPort: number
  /** Of consecutive local ports. */
  readonly run: number
  /** The first of its local port. */
  readonly isFresh: boolean
}

/** Two mappings the NAT made one right after the other, as far as we know. */
export interface Step {
  readonly from: NewMapping
  readonly to: NewMapping
  /** From one local port to the one after it. */
  readonly isNext: boolean
}

/** Everything the allocation is found from. */
export interface NewMappings {
  readonly fresh: readonly NewMapping[]
  readonly steps: readonly Step[]
}

/**
 * Picks the mappings that were new, and the steps from each to the next. Probes that had no answer, or none that is trusted, took
 * part too: there is no step across them. Nor is there one to an answer so late that its packet may have been sent again, so that nobody
 * knows which of them the NAT saw first.
 */
export function newMappings(rounds: readonly ProbeRound[], transport: Transport, trusted: readonly Mapped[], mapping: NatBehaviour): NewMappings {
  const believed = new Map(trusted.map(sample => [keyOf(sample), sample]))
  const fresh: NewMapping[] = []
  const steps: Step[] = []
  for (const { batch, observations } of rounds) {
    // the ports of the later batches map at moments of their own
    if (batch.transport !== transport || batch.purpose === 'behave' || batch.purpose === 'recheck') continue
    const sent = observations.filter(isMappingProbe).filter(wasSent).sort((a, b) => a.order - b.order)
    const answers = sent.map(probe => believed.get(keyOf(probe)))
    const lateMs = latenessMs(answers)
    const seen = new Set<string>()
    const ports = new Set<string>()
    let previous: NewMapping | undefined
    for (const [place, probe] of sent.entries()) {
      const target = mappingKey(probe, mapping)
      if (seen.has(target)) continue
      seen.add(target)
      const slot = slotKey(probe.slot)
      const answer = answers[place]
      const made = answer && { localPort: answer.local.port, externalPort: answer.mapped.port, run: probe.slot.run, isFresh: !ports.has(slot) }
      ports.add(slot)
      if (made?.isFresh) fresh.push(made)
      const inOrder = answer !== undefined && answer.rttMs <= lateMs ? made : undefined
      if (previous !== undefined && inOrder !== undefined) steps.push({ from: previous, to: inOrder, isNext: inOrder.localPort === previous.localPort + 1 })
      previous = inOrder
    }
  }
  return { fresh, steps }
}

/** No network makes one answer three times as slow as another of the same moment, and 100 ms slower; repetition does, after 500 ms or more. */
const latenessMs = (answers: readonly (Mapped | undefined)[]): number =>
  3 * Math.min(...answers.map(answer => answer?.rttMs ?? Infinity)) + 100

const isMappingProbe = (one: ProbeRound['observations'][number]): one is MappingObservation => one.kind === 'mapping'

/** What the NAT keeps a mapping by. */
function mappingKey(probe: MappingObservation, mapping: NatBehaviour): string {
  const slot = slotKey(probe.slot)
  if (mapping === 'address-dependent') return `${slot} ${probe.to.host}`
  return mapping === 'address-and-port-dependent' ? `${slot} ${formatEndpoint(probe.to)}` : slot
}

const keyOf = (probe: MappingObservation): string => `${slotKey(probe.slot)} ${formatEndpoint(probe.to)}`
