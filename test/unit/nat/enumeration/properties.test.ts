import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classifyInterface } from '../../../../src/nat/enumeration/classify.js'
import { patienceMs } from '../../../../src/nat/enumeration/patience.js'
import { nextBatch } from '../../../../src/nat/enumeration/plan.js'
import { assignPorts, slotsOf } from '../../../../src/nat/enumeration/ports.js'
import { slotKey, type Observation, type ProbeBatch, type ProbeRound } from '../../../../src/nat/enumeration/probes.js'
import type { NatProfile, Transport } from '../../../../src/nat/nat-profile.js'
import type { Endpoint } from '../../../../src/protocol/endpoint.js'
import { isSameHost } from '../../../../src/protocol/stun/ip-bytes.js'
import type { NatKind } from './simulated-nat.js'
import { seeded } from './simulated-nat.js'
import { enumerate, threeServers } from './simulated-network.js'

const address = fc.constantFrom('203.0.113.5', '203.0.113.6', '10.0.0.2', '192.168.1.1', '2001:db8::1', '2001:db8:0::1', 'fe80::1%eth0', '100.64.1.1')
const host = fc.oneof(address, fc.constantFrom('', 'nonsense'))
const port = fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.constantFrom(20_000, 20_001))
const endpoint: fc.Arbitrary<Endpoint> = fc.record({ host, port })
const slot = fc.record({ run: fc.nat(3), index: fc.nat(3) })
const transport = fc.constantFrom<Transport>('tcp', 'udp')

const observation: fc.Arbitrary<Observation> = fc.oneof(
  fc.record({ kind: fc.constant('mapping' as const), slot, server: endpoint, to: endpoint, order: fc.nat(9), local: endpoint, mapped: endpoint, other: endpoint, sentAtMs: fc.double({ min: 0, max: 5_000 }), rttMs: fc.double({ min: 0, max: 5_000 }) }),
  fc.record({ kind: fc.constant('mapping' as const), slot, server: endpoint, to: endpoint, order: fc.nat(9), failure: fc.constantFrom('ERR_STUN_TIMEOUT' as const, 'ERR_PORT_IN_USE' as const) }),
  fc.record({ kind: fc.constant('filtering' as const), slot, server: endpoint, to: endpoint, ask: fc.constantFrom('other-port' as const, 'other-address' as const, 'unsolicited' as const), tries: fc.constant(1), gapMs: fc.constant(1), outcome: fc.constantFrom('arrived' as const, 'nothing' as const, 'unsupported' as const) }),
  fc.record({ kind: fc.constant('hairpin' as const), slots: fc.tuple(slot, slot), server: endpoint, to: endpoint, outcome: fc.constantFrom('arrived' as const, 'nothing' as const) }),
)

const rounds: fc.Arbitrary<readonly ProbeRound[]> = fc.array(
  fc.record({
    batch: fc.record({ transport, purpose: fc.constantFrom('discover' as const, 'allocate' as const, 'behave' as const, 'recheck' as const), index: fc.nat(4), probes: fc.constant([]), maxMs: fc.constant(1_000) }),
    observations: fc.array(observation, { maxLength: 24 }),
  }),
  { maxLength: 6 },
)

const profilesOf = (local: string, given: readonly ProbeRound[]): readonly NatProfile[] => {
  const { tcp, udp } = classifyInterface({ name: 'x', family: 4, local, rounds: given })
  return [tcp, udp]
}

const servers = threeServers.map(({ endpoint: at }) => at)

describe('the classification, whatever was observed', () => {
  it('never throws and stays in its bounds', () => {
    fc.assert(
      fc.property(address, rounds, (local, given) => {
        for (const { confidence, delta, range } of profilesOf(local, given)) {
          expect(confidence).toBeGreaterThanOrEqual(0)
          expect(confidence).toBeLessThanOrEqual(1)
          expect(Math.abs(delta)).toBeLessThanOrEqual(32_768)
          expect(range === null || range[0] <= range[1]).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('never says there is no NAT unless a server saw exactly where we sent from', () => {
    fc.assert(
      fc.property(address, rounds, (local, given) => {
        for (const [place, { mapping, classic }] of profilesOf(local, given).entries()) {
          if (mapping !== 'none') {
            expect(classic).not.toBe('open internet')
            continue
          }
          const by = (['tcp', 'udp'] as const)[place]!
          const saw = given.filter(({ batch }) => batch.transport === by).flatMap(({ observations }) => observations.flatMap(one => (one.kind === 'mapping' && one.mapped !== undefined ? [one] : [])))
          const agreeing = new Set(saw.filter(one => isSameHost(one.mapped.host, one.local.host) && one.mapped.port === one.local.port).map(({ server }) => server.host))
          expect(agreeing.size).toBeGreaterThan(0)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('never says open behind a NAT, whatever one of three servers says of us', () => {
    const kind: fc.Arbitrary<NatKind> = fc.record({
      mapping: fc.constantFrom('EIM' as const, 'ADM' as const, 'APDM' as const), filtering: fc.constantFrom('EIF' as const, 'ADF' as const, 'APDF' as const),
      allocation: fc.constantFrom('preserving' as const, 'random' as const, { sequential: -2 }, { perPort: 1 }, { block: 16 }), others: fc.constantFrom(0, 1),
    })
    fc.assert(
      fc.property(fc.integer(), fc.array(kind, { minLength: 1, maxLength: 2 }), fc.nat(2), endpoint, fc.constantFrom(0, 0.1), (seed, nats, liar, lie, loss) => {
        const lying = threeServers.map((server, place) => (place === liar ? { ...server, lie: () => lie } : server))
        const { profile } = enumerate({ seed, nats, servers: lying, loss })
        for (const { mapping, classic } of [profile.tcp, profile.udp]) expect([mapping === 'none', classic === 'open internet']).toEqual([false, false])
        expect(['203.0.113.5', null]).toContain(profile.external)
      }),
      { numRuns: 60 },
    )
  })
})

describe('the plan, whatever it is told', () => {
  it('ends after six batches of a transport', () => {
    fc.assert(
      fc.property(transport, fc.array(fc.array(observation, { maxLength: 24 }), { minLength: 8, maxLength: 8 }), (by, told) => {
        const done: ProbeRound[] = []
        for (const observations of told) {
          const batch = nextBatch({ transport: by, local: '10.0.0.2', servers, rounds: done })
          if (batch === undefined) break
          done.push({ batch, observations })
        }
        expect(done.length).toBeLessThanOrEqual(6)
      }),
      { numRuns: 300 },
    )
  })

  it('gives each slot of an enumeration a port of its own, consecutive in a run', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        const random = seeded(seed)
        const used = new Map<number, string>()
        for (const { batch } of enumerate({ seed, nats: [{ allocation: { sequential: 1 } }] }).rounds.filter(({ batch: { transport: by } }) => by === 'tcp')) {
          // the last batch goes on from a port of the one before, which has another number here
          const [firstPort] = [...used].find(([, key]) => key === slotKey({ ...batch.probes.flatMap(slotsOf)[0]!, index: 0 })) ?? []
          const portOf = assignPorts({ ...batch, ...(batch.firstPort !== undefined && { firstPort: firstPort! }) }, random)
          for (const one of batch.probes.flatMap(slotsOf)) {
            expect(portOf(one)).toBe(portOf({ ...one, index: 0 }) + one.index)
            expect(used.get(portOf(one)) ?? slotKey(one)).toBe(slotKey(one))
            used.set(portOf(one), slotKey(one))
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  it('waits no longer than its limit, and not for a server without which two agree', () => {
    const batch: ProbeBatch = nextBatch({ transport: 'udp', local: '10.0.0.2', servers, rounds: [] })!
    const answer = (place: number): Observation => ({ ...(batch.probes[place] as Extract<ProbeBatch['probes'][number], { kind: 'mapping' }>), order: place, local: { host: '10.0.0.2', port: 1 }, mapped: { host: '203.0.113.5', port: 7 }, sentAtMs: 0, rttMs: 40 + place })
    expect(patienceMs(batch, [], '10.0.0.2')).toBe(batch.maxMs)
    expect(patienceMs(batch, [answer(0)], '10.0.0.2')).toBe(batch.maxMs)
    expect(patienceMs(batch, [answer(0), answer(2)], '10.0.0.2')).toBe(2 * 42 + 100)
  })
})
