import { defaults } from '../../config/defaults.js'
import type { PortSlot, ProbeBatch } from './probes.js'

const { lowPort, highPort } = defaults.natProbe
/** Runs are further apart than any of them is long. */
const spacing = 64
/** Batches take turns, so that no port is used twice in one enumeration: its mapping, or its TIME-WAIT, may still be there. */
const zones = 4

/** Chooses the numbers of a batch's local ports; `random` is uniform in [0, 1). Whether they can be bound shows. */
export function assignPorts({ index, probes, firstPort }: ProbeBatch, random: () => number): (slot: PortSlot) => number {
  if (firstPort !== undefined) return slot => firstPort + slot.index
  const runs = [...new Set(probes.flatMap(slotsOf).map(({ run }) => run))]
  const width = Math.floor((highPort - lowPort) / zones)
  const cells = shuffled([...Array(Math.floor(width / spacing)).keys()], runs.length, random)
  const bases = new Map(runs.map((run, place) => [run, lowPort + (index % zones) * width + (cells[place] ?? 0) * spacing + Math.floor(random() * (spacing / 2))]))
  return ({ run, index: offset }) => (bases.get(run) ?? lowPort) + offset
}

/** The local ports a probe needs. */
export const slotsOf = (probe: ProbeBatch['probes'][number]): readonly PortSlot[] =>
  probe.kind === 'hairpin' ? probe.slots : probe.kind === 'filtering' && probe.listen !== undefined ? [probe.slot, probe.listen] : [probe.slot]

/** The first `count` of a fair shuffle. */
function shuffled(items: number[], count: number, random: () => number): number[] {
  for (let place = 0; place < Math.min(count, items.length - 1); place += 1) {
    const other = place + Math.floor(random() * (items.length - place))
    const kept = items[place]!
    items[place] = items[other]!
    items[other] = kept
  }
  return items
}
