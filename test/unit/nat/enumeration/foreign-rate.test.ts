import { describe, expect, it } from 'vitest'
import { classifyInterface } from '../../../../src/nat/enumeration/classify.js'
import type { Observation, ProbeRound } from '../../../../src/nat/enumeration/probes.js'
import type { NatKind } from './simulated-nat.js'
import { enumerate, threeServers } from './simulated-network.js'

const seeds = Array.from({ length: 50 }, (_, place) => 77 + place * 15_485_863)

const counters: readonly NatKind[] = [
  ...[1, -1, 2].map(delta => ({ mapping: 'APDM' as const, allocation: { sequential: delta } })),
  { mapping: 'EIM', allocation: { sequential: 1 } },
  { mapping: 'APDM', allocation: { perPort: 1 } },
  { mapping: 'EIM', allocation: { perPort: -3 } },
]

const both = (nat: NatKind, seed: number) => {
  const { profile: { tcp, udp } } = enumerate({ seed, nats: [nat] })
  return [tcp, udp]
}

describe.each(counters)('the confidence in a counter: %j', nat => {
  const quiet = Math.min(...seeds.slice(0, 20).flatMap(seed => both(nat, seed).map(({ confidence }) => confidence)))

  it('is high where nobody else moves it', () => {
    expect(quiet).toBeGreaterThanOrEqual(0.85)
  })

  it.each([[5, 0.95], [20, 1]] as const)('is lower where others make %i mappings a second, in %f of all runs at least', (othersPerS, share) => {
    const profiles = seeds.flatMap(seed => both({ ...nat, othersPerS }, seed))
    expect(profiles.filter(({ confidence }) => confidence < quiet).length / profiles.length).toBeGreaterThanOrEqual(share)
  })

  it('comes with the same allocation where others make 5 mappings a second', () => {
    const found = ({ allocation, delta }: ReturnType<typeof both>[number]) => `${allocation} ${delta}`
    const [expected] = both(nat, 1).map(found)
    const profiles = seeds.flatMap(seed => both({ ...nat, othersPerS: 5 }, seed))
    expect(profiles.filter(profile => found(profile) !== expected).length).toBe(0)
  })
})

describe('a last look at a counter', () => {
  const nat: NatKind = { mapping: 'APDM', allocation: { sequential: -2 } }
  const quiet = enumerate({ seed: 5, nats: [nat] })
  const busy = enumerate({ seed: 5, nats: [{ ...nat, othersPerS: 20 }] })
  const tcpOf = (rounds: readonly ProbeRound[]) => classifyInterface({ name: 'eth0', family: 4, local: '10.0.0.2', rounds }).tcp
  /** Changes what became of its probes. */
  const changed = ({ rounds }: typeof quiet, change: (one: Observation) => Observation) =>
    tcpOf(rounds.map(({ batch, observations }) => ({ batch, observations: batch.purpose === 'recheck' ? observations.map(change) : observations })))
  const lost = (one: Observation): Observation => (one.kind === 'mapping' ? { kind: 'mapping', slot: one.slot, server: one.server, to: one.to, order: one.order, failure: 'ERR_STUN_TIMEOUT' } : one)

  it('is the last batch, by the local ports after the last one', () => {
    const [behave, recheck] = quiet.rounds.filter(({ batch }) => batch.transport === 'tcp').slice(-2)
    const portsOf = (round: ProbeRound | undefined) => round?.observations.flatMap(one => (one.kind === 'mapping' && one.mapped !== undefined ? [one.local.port] : [])) ?? []
    const [port] = portsOf(behave)
    expect([behave?.batch.purpose, recheck?.batch.purpose]).toEqual(['behave', 'recheck'])
    expect(portsOf(recheck).sort((a, b) => a - b)).toEqual([port! + 1, port! + 2])
  })

  it('does not take place where there is no counter', () => {
    for (const allocation of ['preserving', 'random', { offset: 7 }, { block: 64 }] as const) {
      expect(enumerate({ seed: 5, nats: [{ mapping: 'APDM', allocation }] }).rounds.map(({ batch }) => batch.purpose)).not.toContain('recheck')
    }
  })

  it('changes nothing when its probes are lost', () => {
    expect(changed(busy, lost)).toMatchObject({ allocation: 'sequential', delta: -2, confidence: tcpOf(busy.rounds.filter(({ batch }) => batch.purpose !== 'recheck')).confidence })
  })

  it('counts a lost probe of ours as ours', () => {
    const first = (one: Observation) => one.kind === 'mapping' && one.order === 0
    expect(changed(quiet, one => (first(one) ? lost(one) : one)).confidence).toBe(tcpOf(quiet.rounds).confidence)
  })

  it('lowers the confidence and nothing else', () => {
    const { confidence, range: _range, ...found } = tcpOf(busy.rounds)
    const { confidence: before, range: _before, ...known } = tcpOf(busy.rounds.filter(({ batch }) => batch.purpose !== 'recheck'))
    expect(found).toEqual(known)
    expect(confidence).toBeLessThan(before / 2)
  })

  it('does not take a counter for moved that began anew', () => {
    const elsewhere = (one: Observation): Observation => (one.kind === 'mapping' && one.mapped !== undefined ? { ...one, mapped: { ...one.mapped, port: (one.mapped.port + 20_000) % 65_536 } } : one)
    expect(changed(quiet, elsewhere).confidence).toBe(tcpOf(quiet.rounds).confidence)
  })

  it('takes 1.5 s at most at 40 ms, and 2.5 s when a server is dead', () => {
    const servers = threeServers.map((server, index) => ({ ...server, ...(index === 0 && { is: 'dead' as const }) }))
    for (const kind of counters) {
      expect(enumerate({ seed: 9, nats: [kind] }).elapsedMs).toBeLessThan(1_250)
      expect(enumerate({ seed: 9, nats: [kind], servers }).elapsedMs).toBeLessThan(1_500)
    }
  })
})
