import { defaults } from '../../config/defaults.js'
import type { Transport } from '../nat-profile.js'
import type { AllocationFinding } from './allocation.js'
import { gap } from './gap.js'
import { mappedOf, type Mapped, type ProbeBatch, type ProbeRound } from './probes.js'

/**
 * Finds how many mappings a second others make, by how far a counter moved from the last probes of `behave` to those of `recheck`, between
 * which nothing of ours opens a flow. 0 where there is no counter, or its state can't be told: lost probes change nothing.
 */
export function foreignRate(rounds: readonly ProbeRound[], transport: Transport, trusted: readonly Mapped[], found: AllocationFinding): number {
  if (!found.hasCounter) return 0
  const answered = (purpose: ProbeBatch['purpose']) => mappedOf(rounds.filter(({ batch }) => batch.purpose === purpose), transport).filter(one => trusted.includes(one))
  const [burst, before, after] = [answered('allocate'), answered('behave'), answered('recheck')]
  const from = before.at(-1)?.sentAtMs ?? Infinity
  const elapsedMs = (after[0]?.sentAtMs ?? 0) - from
  if (elapsedMs <= 0) return 0
  const foreign = found.allocation === 'sequential' ? movedByOthers(burst.at(-1), before, after, found.delta) : brokenByOthers(before, after, found.delta)
  return (1_000 * foreign) / elapsedMs
}

/**
 * The fewest that explain what was seen: what was lost, overtaken or repeated of ours may have moved the counter, or not. A port that the NAT
 * still had a mapping for, of an earlier enumeration, tells an old state: it lies behind.
 */
function movedByOthers(last: Mapped | undefined, before: readonly Mapped[], after: readonly Mapped[], delta: number): number {
  if (last === undefined) return 0
  const moved = (from: Mapped, to: Mapped) => gap(from.mapped.port, to.mapped.port) / delta
  const counts = before
    .filter(from => moved(last, from) > 0)
    .flatMap(from => after.map(to => ({ moved: moved(from, to), ours: to.slot.index - from.slot.index })))
    .filter(({ moved: distance }) => Number.isInteger(distance) && distance > 0 && distance <= defaults.natProbe.maxForeign)
    .map(({ moved: distance, ours }) => Math.max(0, distance - ours))
  return counts.length === 0 ? 0 : Math.min(...counts)
}

/** One or none: a single mapping of another port breaks what hangs on consecutive ones. Told only where it holds both before and after. */
function brokenByOthers(before: readonly Mapped[], after: readonly Mapped[], delta: number): number {
  const isUnbroken = (mappings: readonly Mapped[]) =>
    mappings.slice(1).every((to, place) => gap(mappings[place]!.mapped.port, to.mapped.port) === delta * (to.slot.index - mappings[place]!.slot.index))
  const isTold = Math.min(before.length, after.length) === defaults.natProbe.counterPorts && isUnbroken(before) && isUnbroken(after)
  return isTold && !isUnbroken([...before, ...after]) ? 1 : 0
}
