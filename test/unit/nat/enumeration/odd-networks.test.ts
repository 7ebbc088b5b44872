import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../../src/protocol/endpoint.js'
import type { NatKind } from './simulated-nat.js'
import { enumerate, threeServers, type SimulatedNetwork, type SimulatedServer } from './simulated-network.js'

const seeds = Array.from({ length: 10 }, (_, place) => 31 + place * 104_729)

/** The profiles of a network over all seeds. */
const over = (network: Omit<SimulatedNetwork, 'seed'>) => seeds.map(seed => ({ seed, ...enumerate({ ...network, seed }) }))

const [first, second, third] = threeServers as readonly [SimulatedServer, SimulatedServer, SimulatedServer]
const random: NatKind = { mapping: 'APDM', allocation: 'random' }
const elsewhere = (mapped: Endpoint): Endpoint => ({ host: '198.51.100.77', port: mapped.port })

function expectEach(network: Omit<SimulatedNetwork, 'seed'>, expected: object): void {
  for (const { seed, profile } of over(network)) expect(profile, `seed ${seed}`).toMatchObject(expected)
}

const both = (found: object) => ({ tcp: found, udp: found })

describe('an enumeration without NAT', () => {
  it('knows an open host', () => {
    expectEach({}, { external: '203.0.113.9', hairpin: { tcp: null, udp: null }, ...both({ mapping: 'none', filtering: 'none', allocation: 'none', delta: 0, classic: 'open internet' }) })
  })

  it.each([['APDF', 'address-and-port-dependent'], ['ADF', 'address-dependent']] as const)('knows a firewall that filters by %s', (filtering, name) => {
    expectEach({ local: '203.0.113.9', nats: [{ mapping: 'none', filtering }] }, both({ mapping: 'none', filtering: name, classic: 'symmetric firewall' }))
  })

  it('does not take a firewall for open that lets everybody in by a port that has sent something', () => {
    expectEach({ local: '203.0.113.9', nats: [{ mapping: 'none', filtering: 'EIF' }] }, both({ mapping: 'none', filtering: 'endpoint-independent', classic: 'full cone' }))
  })
})

describe('an enumeration behind odd NATs', () => {
  it('takes Linux, which shares a port among destinations, for endpoint-independent', () => {
    expectEach({ nats: [{ mapping: 'APDM', overloads: true }] }, both({ mapping: 'endpoint-independent', allocation: 'equal', classic: 'port restricted, equal' }))
  })

  it('takes Linux with random ports for dependent on address and port', () => {
    expectEach({ nats: [{ ...random, overloads: true }] }, both({ mapping: 'address-and-port-dependent', allocation: 'random', classic: 'symmetric, random' }))
  })

  it('finds the delta of a counter that wraps in its range', () => {
    expectEach({ nats: [{ mapping: 'APDM', allocation: { sequential: 7 }, ports: [30_000, 30_099] }] }, both({ allocation: 'sequential', delta: 7 }))
  })

  it('finds an offset that wraps in its range', () => {
    expectEach({ nats: [{ allocation: { offset: 20_000 }, ports: [30_000, 45_000] }] }, both({ allocation: 'offset', delta: 20_000 }))
  })

  it('finds the delta of local ports that count their destinations', () => {
    expectEach({ nats: [{ mapping: 'APDM', allocation: { perDestination: 3 } }] }, both({ mapping: 'address-and-port-dependent', allocation: 'dependent', delta: 3 }))
  })

  it.each([8, 16, 32])('calls a block of %i ports in random order random, within the range seen', size => {
    for (const { profile } of over({ nats: [{ mapping: 'EIM', allocation: { block: size } }] })) {
      expect(profile.tcp).toMatchObject({ mapping: 'endpoint-independent', allocation: 'random' })
      expect(profile.tcp.range![0]).toBeLessThan(profile.tcp.range![1])
    }
  })

  it.each([4, 8, 16])('calls a block of %i ports in order sequential, and is less sure the smaller it is', size => {
    for (const { profile } of over({ nats: [{ mapping: 'APDM', allocation: { ordered: size } }] })) {
      expect(profile.tcp).toMatchObject({ allocation: 'sequential', delta: 1 })
      expect(profile.tcp.confidence).toBeLessThan(1 - 0.8 / size)
    }
  })

  it('tells TCP and UDP apart', () => {
    expectEach({ nats: { tcp: [random], udp: [{ allocation: { sequential: 2 } }] } }, { tcp: { mapping: 'address-and-port-dependent', allocation: 'random' }, udp: { mapping: 'endpoint-independent', allocation: 'sequential', delta: 2 } })
  })

  it('finds hairpinning, and its absence', () => {
    expectEach({ nats: [{ filtering: 'ADF', hairpin: true }] }, { hairpin: { tcp: true, udp: true } })
    expectEach({ nats: [{ filtering: 'ADF' }] }, { hairpin: { tcp: false, udp: false } })
  })
})

describe('an enumeration behind two NATs', () => {
  it.each<readonly [string, NatKind, NatKind, object]>([
    ['the mapping of the outer one', {}, { mapping: 'APDM', allocation: { sequential: 1 } }, { mapping: 'address-and-port-dependent', allocation: 'sequential', delta: 1 }],
    ['the mapping of the inner one', random, {}, { mapping: 'address-and-port-dependent', allocation: 'random' }],
    ['the delta of the outer of two counters', { allocation: { sequential: 2 } }, { mapping: 'ADM', allocation: { sequential: -1 } }, { mapping: 'address-dependent', allocation: 'sequential', delta: -1 }],
    ['the delta of a counter behind an offset', { allocation: { sequential: 2 } }, { allocation: { offset: 9 } }, { mapping: 'endpoint-independent', allocation: 'sequential', delta: 2 }],
    ['the stricter filter', { filtering: 'APDF' }, { filtering: 'EIF' }, { filtering: 'address-and-port-dependent' }],
  ])('sees %s', (_what, inner, outer, found) => {
    expectEach({ nats: [inner, outer] }, both(found))
  })

  it('suspects a CGNAT where our address is of its range', () => {
    expectEach({ local: '100.64.3.4', nats: [{}] }, { cgnatSuspected: true })
    expectEach({ nats: [{}] }, { cgnatSuspected: false })
  })
})

describe('an enumeration in traffic', () => {
  it.each([3, -1])('finds the delta %i where others move the counter, and is less sure the more they do', delta => {
    const confidences = [0, 0.2, 1].map(others => {
      const results = over({ nats: [{ mapping: 'APDM', allocation: { sequential: delta }, others }] })
      for (const { seed, profile } of results) expect(profile.tcp, `seed ${seed}, ${others} others`).toMatchObject({ allocation: 'sequential', delta })
      return results.reduce((sum, { profile }) => sum + profile.tcp.confidence, 0) / results.length
    })
    expect(confidences[0]).toBeGreaterThan(0.9)
    expect(confidences[1]).toBeLessThan(confidences[0]! - 0.05)
    expect(confidences[2]).toBeLessThan(confidences[1]! - 0.15)
  })

  it.each<NatKind>([{}, { mapping: 'APDM', allocation: { sequential: 2 } }, { mapping: 'ADM', filtering: 'ADF', allocation: { perPort: 2 } }])('is right at 5 % loss: %j', nat => {
    const quiet = enumerate({ seed: 1, nats: [nat] }).profile.tcp
    const { confidence: _confidence, range: _range, ...found } = quiet
    expectEach({ nats: [nat], loss: 0.05 }, { tcp: found })
  })

  it('says nothing wrong where every tenth local port is taken', () => {
    for (const { seed, profile } of over({ nats: [{ mapping: 'APDM', allocation: { perPort: 2 } }], taken: 0.1 })) {
      for (const { mapping, allocation } of [profile.tcp, profile.udp]) {
        expect(['address-and-port-dependent', 'unknown'], `seed ${seed}`).toContain(mapping)
        expect(['dependent', 'unknown'], `seed ${seed}`).toContain(allocation)
      }
    }
  })
})

describe('an enumeration with bad servers', () => {
  it('outvotes one that lies about the address, whatever it claims', () => {
    for (const lie of [elsewhere, (mapped: Endpoint) => ({ host: '10.0.0.2', port: mapped.port }), () => ({ host: '203.0.113.5', port: 1 })]) {
      expectEach({ nats: [{}], servers: [{ ...first, lie }, second, third] }, { external: '203.0.113.5', ...both({ mapping: 'endpoint-independent', allocation: 'equal' }) })
    }
  })

  it('outvotes one that sees us from our side of the NAT', () => {
    expectEach({ nats: [random], servers: [{ ...first, is: 'inside' }, second, third] }, { external: '203.0.113.5', ...both({ mapping: 'address-and-port-dependent', allocation: 'random' }) })
  })

  it('believes neither of two that disagree', () => {
    expectEach({ nats: [{}], servers: [{ ...first, lie: elsewhere }, second] }, { external: null, ...both({ mapping: 'unknown', allocation: 'unknown', confidence: 0 }) })
  })

  it('does not believe by TCP who is outvoted by UDP', () => {
    expectEach({ nats: [{}], servers: [{ ...first, lie: elsewhere }, { ...second, transports: ['udp'] }, { ...third, transports: ['udp'] }] }, { external: '203.0.113.5', tcp: { mapping: 'unknown' }, udp: { mapping: 'endpoint-independent' } })
  })

  it('is half as sure with one that nobody confirms', () => {
    for (const { profile } of over({ nats: [{ allocation: { sequential: 1 } }], servers: [first] })) {
      expect(profile).toMatchObject({ external: '203.0.113.5', tcp: { mapping: 'endpoint-independent', allocation: 'sequential' } })
      expect(profile.tcp.confidence).toBeLessThan(0.5)
    }
  })

  it('knows nothing of the NAT by servers that are all on our side of it', () => {
    expectEach({ nats: [{}], servers: [first, second].map(server => ({ ...server, is: 'inside' as const })) }, { external: null, ...both({ mapping: 'unknown' }) })
  })

  it('assumes the stricter kind where no server has a second port, and is less sure', () => {
    for (const { profile } of over({ nats: [random], servers: threeServers.map(({ endpoint }) => ({ endpoint })) })) {
      expect(profile.tcp).toMatchObject({ mapping: 'address-and-port-dependent', allocation: 'random', filtering: 'unknown', classic: 'symmetric, random' })
      expect(profile.tcp.confidence).toBeLessThan(0.5)
    }
  })

  it('does not call TCP blocked where servers refuse it', () => {
    expectEach({ nats: [{}], servers: threeServers.map(server => ({ ...server, transports: ['udp'] as const })) }, { tcp: { blocked: false, mapping: 'unknown' }, udp: { mapping: 'endpoint-independent' } })
  })

  it('knows nothing when all are dead, and ends', () => {
    expectEach({ nats: [{}], servers: threeServers.map(server => ({ ...server, is: 'dead' as const })) }, { external: null, ...both({ mapping: 'unknown', blocked: false, classic: 'unknown' }) })
  })
})

describe('the time of an enumeration at 40 ms', () => {
  const slowest = (network: Omit<SimulatedNetwork, 'seed'>) => Math.max(...over(network).map(({ elapsedMs }) => elapsedMs))

  it.each<readonly [string, readonly NatKind[]]>([['no NAT', []], ['an easy NAT', [{ filtering: 'EIF' }]], ['a hard one', [random]]])('is within 1.5 s behind %s', (_name, nats) => {
    expect(slowest({ ...(nats.length > 0 && { nats }) })).toBeLessThan(1_000)
  })

  it.each([0, 1, 2])('is within 2.5 s when server %i is dead', place => {
    expect(slowest({ nats: [random], servers: threeServers.map((server, index) => ({ ...server, ...(index === place && { is: 'dead' as const }) })) })).toBeLessThan(1_200)
  })

  it('is within 1.5 s where UDP is blocked, and says so', () => {
    const network = { nats: { tcp: [{}], udp: 'blocked' as const } }
    expect(slowest(network)).toBeLessThan(1_500)
    expectEach(network, { tcp: { mapping: 'endpoint-independent', blocked: false }, udp: { mapping: 'unknown', blocked: true, classic: 'blocked' } })
  })
})
