import type { PortAllocation } from '../../protocol/interface-record.js'
import { gap } from './gap.js'
import type { NewMappings, Step } from './new-mappings.js'
import { withoutOld } from './old-mappings.js'

/** An allocation, its delta, and how many of the observations that could have contradicted it agree. */
export interface AllocationFinding {
  readonly allocation: Exclude<PortAllocation, 'none'>
  readonly delta: number
  readonly agreeing: number
  readonly all: number
  /** A counter that the next fresh mapping moves on, if its local port is the next one too. */
  readonly hasCounter: boolean
}

const unknown: AllocationFinding = { allocation: 'unknown', delta: 0, agreeing: 0, all: 0, hasCounter: false }

/** Fewer fresh mappings without any pattern prove no randomness. */
const minRandom = 6
/** Between two of our mappings others make fewer than so many: ours leave back to back. */
const maxOthers = 255

/**
 * Finds how external ports are chosen: the most special pattern that fits comes first. A preserving NAT that gives a taken port another
 * number stays `equal`; a counter that wraps, or that others move, stays `sequential`; a block of ports handed out at random is `random`
 * with the block as its range, for nothing else predicts it, and one handed out in order is `sequential`. On a quiet NAT with the 16 fresh
 * ports of the plan, random ports (of 64,512) show half of all steps alike with a chance below 10^-25 and two of them equal to their local
 * ports with one of 10^-7; a block has to be smaller than 8 ports before chance deceives once in a thousand runs.
 */
export const findAllocation = (mappings: NewMappings): AllocationFinding =>
  findEqual(mappings) ?? findOffset(mappings) ?? findSequential(mappings) ?? findDependent(mappings) ?? findRandom(mappings) ?? unknown

function findEqual({ fresh }: NewMappings): AllocationFinding | undefined {
  const agreeing = fresh.filter(({ localPort, externalPort }) => localPort === externalPort).length
  return agreeing >= 2 && agreeing * 2 >= fresh.length ? { allocation: 'equal', delta: 0, agreeing, all: fresh.length, hasCounter: false } : undefined
}

/** The same distance in several runs. A range that wraps makes a second distance of it. */
function findOffset({ fresh }: NewMappings): AllocationFinding | undefined {
  const [first, second] = ranking(fresh.map(({ localPort, externalPort }) => gap(localPort, externalPort)))
  if (first === undefined || (first.times + (second?.times ?? 0)) * 4 < fresh.length * 3) return undefined
  const runs = new Set(fresh.filter(({ localPort, externalPort }) => gap(localPort, externalPort) === first.value).map(({ run }) => run))
  return runs.size >= 2 && first.times >= 3 ? { allocation: 'offset', delta: first.value, agreeing: first.times, all: fresh.length, hasCounter: false } : undefined
}

/** The same step whatever the local ports do; a step that only consecutive ports make is none. */
function findSequential({ steps: all }: NewMappings): AllocationFinding | undefined {
  const [likely] = ranking(all.map(gapOf))
  const steps = likely === undefined ? all : withoutOld(all, likely.value)
  const gaps = steps.map(gapOf)
  const leaps = steps.filter(({ isNext }) => !isNext).map(gapOf)
  if (gaps.length < 3 || leaps.length === 0) return undefined
  const found = (delta: number): AllocationFinding => ({ allocation: 'sequential', delta, agreeing: gaps.filter(one => one === delta).length, all: gaps.length, hasCounter: true })
  const [first] = ranking(gaps)
  if (first !== undefined && first.value !== 0 && isHalf(gaps, one => one === first.value) && isHalf(leaps, one => one === first.value)) return found(first.value)
  const delta = deltaInTraffic(gaps, leaps)
  return delta === undefined ? undefined : found(delta)
}

/**
 * A counter that others move too: nearly all steps go the same way by small multiples of the delta, those between distant local ports
 * included. Random ports do so with a chance below 10^-9, a counter per run of local ports with one below 10^-6.
 */
function deltaInTraffic(gaps: readonly number[], leaps: readonly number[]): number | undefined {
  if (gaps.length < minRandom) return undefined
  const sign = gaps.filter(one => one > 0).length * 2 > gaps.length ? 1 : -1
  const lengths = gaps.filter(one => one * sign > 0).map(Math.abs)
  const divisors = [...new Set(lengths.flatMap(one => lengths.map(other => divisorOf(one, other))))].sort((a, b) => b - a)
  const isStepOf = (divisor: number) => (one: number) => one % divisor === 0 && one * sign > 0 && Math.abs(one) <= divisor * (maxOthers + 1)
  const delta = divisors.find(divisor => isMost(gaps, isStepOf(divisor)) && isMost(leaps, isStepOf(divisor)))
  return delta === undefined ? undefined : sign * delta
}

/** The same step from each local port to the next, and another from run to run; or from one destination of a local port to the next. */
function findDependent({ steps }: NewMappings): AllocationFinding | undefined {
  const ofNeighbours = steps.filter(({ isNext }) => isNext)
  const ofOnePort = steps.filter(({ from, to }) => from.localPort === to.localPort)
  return alike(ofNeighbours, 0.6, true) ?? alike(ofOnePort, 0.8, false)
}

function alike(steps: readonly Step[], share: number, hasCounter: boolean): AllocationFinding | undefined {
  const [first] = ranking(steps.map(gapOf))
  if (first === undefined || first.value === 0 || first.times < 3 || first.times < steps.length * share) return undefined
  return { allocation: 'dependent', delta: first.value, agreeing: first.times, all: steps.length, hasCounter }
}

const findRandom = ({ fresh }: NewMappings): AllocationFinding | undefined =>
  fresh.length < minRandom ? undefined : { allocation: 'random', delta: 0, agreeing: fresh.length, all: fresh.length, hasCounter: false }

const gapOf = ({ from, to }: Step): number => gap(from.externalPort, to.externalPort)

/** Values with their numbers of times, most frequent first; of equally frequent ones the smallest step. */
function ranking(values: readonly number[]): readonly { readonly value: number; readonly times: number }[] {
  const times = new Map<number, number>()
  for (const value of values) times.set(value, (times.get(value) ?? 0) + 1)
  return [...times].map(([value, count]) => ({ value, times: count })).sort((a, b) => b.times - a.times || Math.abs(a.value) - Math.abs(b.value))
}

const isHalf = <T>(items: readonly T[], is: (item: T) => boolean): boolean => items.filter(is).length * 2 >= items.length
const isMost = <T>(items: readonly T[], is: (item: T) => boolean): boolean => items.filter(is).length * 20 >= items.length * 17

const divisorOf = (a: number, b: number): number => (b === 0 ? a : divisorOf(b, a % b))
