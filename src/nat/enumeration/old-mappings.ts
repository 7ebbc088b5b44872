import { gap } from './gap.js'
import type { NewMapping, Step } from './new-mappings.js'

/** More of them and there is no telling what is old. */
const maxShare = 1 / 2

/**
 * Leaves out mappings that the NAT still had, of an enumeration a minute ago that happened to use the same local port: a counter goes on as if
 * they were not there, and they lie behind where it began.
 */
export function withoutOld(steps: readonly Step[], delta: number): readonly Step[] {
  const mappings = [...new Set(steps.flatMap(({ from, to }) => [from, to]))]
  const counted = longest(mappings.map((_, place) => countedFrom(mappings.slice(place), delta)))
  const [first] = counted
  if (first === undefined) return steps
  const isCounted = new Set(counted)
  const old = new Set(mappings.filter(one => !isCounted.has(one) && gap(first.externalPort, one.externalPort) * delta < 0))
  return counted.length * 2 >= mappings.length && old.size <= mappings.length * maxShare ? across(steps, old) : steps
}

/** The first, and each one after that is the next by the delta. */
function countedFrom(mappings: readonly NewMapping[], delta: number): readonly NewMapping[] {
  const counted: NewMapping[] = []
  for (const one of mappings) {
    const last = counted.at(-1)
    if (last === undefined || gap(last.externalPort, one.externalPort) === delta) counted.push(one)
  }
  return counted
}

/** Steps over what is left out; where a sequence broke off it stays so. */
function across(steps: readonly Step[], old: ReadonlySet<NewMapping>): readonly Step[] {
  const kept: Step[] = []
  let from: NewMapping | undefined
  let end: NewMapping | undefined
  for (const step of steps) {
    if (step.from !== end) from = old.has(step.from) ? undefined : step.from
    end = step.to
    if (old.has(step.to)) continue
    if (from !== undefined) kept.push(from === step.from ? step : { from, to: step.to, isNext: false })
    from = step.to
  }
  return kept
}

const longest = <T>(lists: readonly (readonly T[])[]): readonly T[] => lists.reduce((best, one) => (one.length > best.length ? one : best), [])
