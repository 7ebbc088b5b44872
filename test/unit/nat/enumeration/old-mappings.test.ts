import { describe, expect, it } from 'vitest'
import { findAllocation } from '../../../../src/nat/enumeration/allocation.js'
import type { NewMapping, NewMappings } from '../../../../src/nat/enumeration/new-mappings.js'
import { withoutOld } from '../../../../src/nat/enumeration/old-mappings.js'
import { seeded } from './simulated-nat.js'

const runLengths = [3, 5, 2, 4, 2]

/** Fresh ports in runs, mapped to these external ones; null: no answer. */
function mapped(externals: readonly (number | null)[]): NewMappings {
  const locals = runLengths.flatMap((length, run) => Array.from({ length }, (_, place) => ({ run, localPort: 12_000 + run * 1_700 + place })))
  const made = externals.map((externalPort, place): NewMapping | undefined => (externalPort === null ? undefined : { ...locals[place]!, externalPort, isFresh: true }))
  const steps = made.flatMap((to, place) => {
    const from = made[place - 1]
    return from === undefined || to === undefined ? [] : [{ from, to, isNext: to.localPort === from.localPort + 1 }]
  })
  return { fresh: made.filter(one => one !== undefined), steps }
}

/** A counter from 30,000, except at these places, where older mappings show. */
function counter(delta: number, old: Readonly<Record<number, number>>): NewMappings {
  let next = 30_000
  return mapped(Array.from({ length: 16 }, (_, place) => old[place] ?? (next += delta)))
}

describe('a counter among mappings of an earlier enumeration', () => {
  it.each([
    ['one', { 10: 29_700 }],
    ['a whole run', { 3: 29_100, 4: 29_101, 5: 29_102, 6: 29_103, 7: 29_104 }],
    ['ports here and there', { 4: 29_242, 6: 29_243, 7: 29_319, 10: 29_425, 11: 29_426, 15: 29_389 }],
    ['the first and the last ones', { 0: 29_500, 1: 29_501, 14: 29_389, 15: 29_390 }],
  ])('is found, and as sure, with %s', (_what, old) => {
    const shown = (delta: number) => Object.fromEntries(Object.entries(old).map(([place, port]) => [place, 30_000 + (port - 30_000) * Math.sign(delta)]))
    for (const delta of [1, -2]) {
      const found = findAllocation(counter(delta, shown(delta)))
      expect(found).toMatchObject({ allocation: 'sequential', delta, agreeing: found.all })
    }
  })

  it('is told by its steps alone, across them', () => {
    const { steps } = counter(1, { 4: 29_000, 5: 29_001 })
    expect(withoutOld(steps, 1).map(({ from, to }) => to.externalPort - from.externalPort)).toEqual(Array.from({ length: 13 }, () => 1))
  })
})

describe('mappings that are not old', () => {
  it('stay where they lie ahead of the counter: others moved it', () => {
    const { steps } = mapped(Array.from({ length: 16 }, (_, place) => 30_000 + place + (place > 9 ? 3 : 0)))
    expect(withoutOld(steps, 1)).toEqual(steps)
  })

  it('stay where no answer broke the sequence', () => {
    const { steps } = mapped([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, null, 12, 13, 14, 15, 16].map(port => port && 30_000 + port))
    expect(withoutOld(steps, 1)).toEqual(steps)
  })

  it('stay where they are random, in small blocks too', () => {
    const random = seeded(11)
    for (let turn = 0; turn < 1_000; turn += 1) {
      const size = [16, 32, 64, 64_000][turn % 4]!
      const ports = Array.from({ length: size }, (_, place) => 1_024 + place)
      const { fresh, steps } = mapped(Array.from({ length: 16 }, () => ports.splice(Math.floor(random() * ports.length), 1)[0]!))
      expect(['random', 'unknown']).toContain(findAllocation({ fresh, steps }).allocation)
    }
  })
})
