import { defaults } from '../../config/defaults.js'
import type { PortSlot, ProbeBatch } from './probes.js'

const { lowPort, highPort } = defaults.natProbe
/** A run lies within its cell, and not at the end of it: two runs never touch. */
const cellSize = 16
/**
 * Which part of the range a purpose has, so that no port is used twice in one enumeration: its mapping, or its TIME-WAIT, may still be there.
 * The most for those that have to be new also when an enumeration of a minute ago used others of them.
 */
const zones = { discover: [0, 1 / 16], allocate: [1 / 16, 11 / 16], behave: [11 / 16, 1], recheck: [11 / 16, 1] } as const

/** Chooses the numbers of a batch's local ports; `random` is uniform in [0, 1). Whether they can be bound shows. */
export function assignPorts({ purpose, probes, firstPort }: ProbeBatch, random: () => number): (slot: PortSlot) => number {
  if (firstPort !== undefined) return slot => firstPort + slot.index
  const runs = [...new Set(probes.flatMap(slotsOf).map(({ run }) => run))]
  const [first, end] = zones[purpose].map(share => Math.ceil(((highPort - lowPort) / cellSize) * share)) as [number, number]
  const cells = shuffled(Array.from({ length: end - first }, (_, place) => first + place), runs.length, random)
  const bases = new Map(runs.map((run, place) => [run, lowPort + (cells[place] ?? 0) * cellSize + Math.floor(random() * (cellSize / 2))]))
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
