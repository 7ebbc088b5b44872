import { beforeAll, describe, expect, it } from 'vitest'
import { defaults } from '../../../../src/config/defaults.js'
import { pairOutcome } from '../../../../src/nat/nat-compatibility.js'
import type { Volley } from '../../../../src/nat/punch/volley.js'
import type { Allocation, Filtering, Mapping, NatKind } from '../enumeration/simulated-nat.js'
import { seeded } from '../enumeration/simulated-nat.js'
import { punch, type PunchResult, type SimulatedPunch } from './simulated-punch.js'

const filterings: readonly Filtering[] = ['EIF', 'ADF', 'APDF']
const moving: readonly Allocation[] = ['preserving', 'random', { offset: -700 }, { sequential: 1 }, { sequential: -3 }, { perPort: 2 }]
const kindsOf = (mapping: Mapping, allocations: readonly Allocation[]): readonly NatKind[] =>
  allocations.flatMap(allocation => filterings.map(filtering => ({ mapping, filtering, allocation })))
const kinds: readonly NatKind[] = [...kindsOf('none', ['preserving']), ...kindsOf('EIM', ['random']), ...kindsOf('ADM', moving), ...kindsOf('APDM', moving)]

const seed = Math.floor(Math.random() * 2 ** 32)
const random = seeded(seed)
const draw = (): number => Math.floor(random() * 2 ** 32)

interface Run extends PunchResult {
  readonly what: string
  readonly by: string
}

const run = (given: Omit<SimulatedPunch, 'seed'>): Run => {
  const one = { seed: draw(), ...given }
  const result = punch(one)
  const { punch: chance, method } = pairOutcome(...result.profiles)
  return { ...result, what: JSON.stringify(one), by: `${chance} ${method ?? '-'}` }
}

/** Each kind with each, in a role and with a filter that is known or not, as it comes. */
const everyPair = (given: Partial<SimulatedPunch> = {}): readonly Run[] =>
  kinds.flatMap((kind, place) => kinds.slice(place).map(other => {
    const sides = [{ kind, isFilterKnown: random() < 0.5 }, { kind: other, isFilterKnown: random() < 0.5 }] as const
    return run({ skewMs: (random() - 0.5) * 60, ...given, sides: random() < 0.5 ? sides : [sides[1], sides[0]] })
  }))

const failed = (runs: readonly Run[]): readonly string[] => runs.filter(({ connectedMs }) => connectedMs === undefined).map(({ what, by }) => `${by} ${what}`)
const share = (runs: readonly Run[]): number => 1 - failed(runs).length / runs.length

describe(`the plans of both sides (seed ${seed})`, () => {
  let runs: readonly Run[] = []
  beforeAll(() => void (runs = everyPair()))
  const by = (outcome: string) => runs.filter(run => run.by === outcome)

  it('meet wherever theory is certain', () => {
    expect(failed([...by('yes mapping'), ...by('yes listen')])).toEqual([])
  })

  it('meet by foretold ports on quiet NATs', () => {
    // a foretold port may be taken already
    expect(share(by('likely predicted')), failed(by('likely predicted')).join('\n')).toBeGreaterThan(0.98)
  })

  it('meet by chance nearly always', () => {
    expect(share(by('likely birthday')), failed(by('likely birthday')).join('\n')).toBeGreaterThan(0.88)
  })

  it('agree on whether to sample', () => {
    expect(runs.filter(({ hasSampled: [one, other] }) => one !== other)).toEqual([])
  })

  it('have something to send in every pair', () => {
    expect(runs.filter(({ volleys }) => volleys.flat().every(({ remotePorts }) => remotePorts.length === 0))).toEqual([])
  })

  it('stay within the budget', () => {
    for (const birthday of ['full', 'small', 'off'] as const) {
      for (const { volleys } of everyPair({ birthday, limitMs: 0 })) {
        for (const side of volleys) expect(side.map(synsOf).reduce((one, other) => one + other, 0)).toBeLessThanOrEqual(budgets[birthday])
      }
    }
  })

  it('meet on counters that others move too', () => {
    const counters = kinds.filter(({ allocation }) => typeof allocation === 'object' && 'sequential' in allocation)
    const partners = [...counters, { mapping: 'EIM', filtering: 'APDF', allocation: 'random' }] as const
    const busy = counters.flatMap(kind => partners.map(other => run({ sides: [{ kind: { ...kind, othersPerS: 5 }, isFilterKnown: true }, { kind: { ...other, othersPerS: 5 }, isFilterKnown: false }] })))
    expect(share(busy), failed(busy).join('\n')).toBeGreaterThan(0.95)
  })

  it('meet where SYNs are lost', () => {
    const lossy = everyPair({ loss: 0.05 }).filter(run => run.by.startsWith('yes') || run.by === 'likely predicted')
    expect(share(lossy), failed(lossy).join('\n')).toBeGreaterThan(0.98)
  })
})

const { birthdayBurst, birthdaySmall } = defaults.punch
const budgets = { full: 2 * birthdayBurst, small: birthdaySmall, off: defaults.punch.maxWindow } as const
const synsOf = ({ localPorts, remotePorts, bursts = [] }: Volley): number => bursts.reduce((sum, size) => sum + size, localPorts.length * remotePorts.length)
