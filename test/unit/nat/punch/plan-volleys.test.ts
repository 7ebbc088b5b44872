import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OwnAddress } from '../../../../src/nat/dial-plan.js'
import { planDials } from '../../../../src/nat/dial-plan.js'
import { needsSampling, planVolleys, type PunchPlanInput } from '../../../../src/nat/punch/plan-volleys.js'
import type { PunchSite, Volley } from '../../../../src/nat/punch/volley.js'
import { familyOf, formatEndpoint, parseEndpoint, type Endpoint } from '../../../../src/protocol/endpoint.js'
import type { InterfaceRecord, NatBehaviour, NatSummary, PortAllocation } from '../../../../src/protocol/interface-record.js'

const own = (interfaceName: string, cidr: string): OwnAddress => {
  const address = cidr.split('/')[0] ?? ''
  return { interfaceName, address, cidr, family: familyOf(address) }
}
const at = (text: string): Endpoint => parseEndpoint(text)!

const nats = {
  firewall: ['none', 'address-and-port-dependent', 'none'],
  port: ['endpoint-independent', 'address-and-port-dependent', 'random'],
  address: ['endpoint-independent', 'address-dependent', 'random'],
  cone: ['endpoint-independent', 'unknown', 'random'],
  counting: ['address-and-port-dependent', 'address-and-port-dependent', 'sequential'],
  'counting, by address': ['address-dependent', 'address-and-port-dependent', 'sequential'],
  'counting, unfiltered port': ['address-and-port-dependent', 'address-dependent', 'sequential'],
  random: ['address-and-port-dependent', 'address-and-port-dependent', 'random'],
  open: ['address-and-port-dependent', 'endpoint-independent', 'random'],
} as const satisfies Readonly<Record<string, readonly [NatBehaviour, NatBehaviour, PortAllocation]>>
type Nat = keyof typeof nats

const natOf = (name: Nat): NatSummary => {
  const [mapping, filtering, allocation] = nats[name]
  return { mapping, filtering, allocation, delta: allocation === 'sequential' ? 1 : 0 }
}

const recordOf = (local: string, external?: string, nat?: Nat): InterfaceRecord => ({
  family: familyOf(at(local).host), local: at(local), ...(external !== undefined && { external: at(external) }), ...(nat !== undefined && { nat: natOf(nat) }),
})

const fresh: Readonly<Partial<Record<Nat, readonly number[]>>> = { counting: Array(8).fill(0), 'counting, by address': Array(8).fill(0), 'counting, unfiltered port': Array(8).fill(0), random: [0] }
const siteOf = (local: string, external?: string, nat?: Nat): PunchSite => ({
  host: at(local).host, localPorts: fresh[nat ?? 'port'] ?? [at(local).port], record: recordOf(local, external, nat),
})

const lan = own('eth0', '192.168.1.10/24')
const uplink = own('wwan0', '10.64.0.6/30')
const global6 = own('eth0', '2001:db8:1::10/64')
const mine = siteOf('192.168.1.10:4000', '203.0.113.1:30000', 'port')

const plan = (given: Partial<PunchPlanInput>) =>
  planVolleys({ role: 'initiator', mine: [mine], theirs: [], own: [lan], isSameMachine: false, mayDialPrivate: true, birthday: 'full', ...given })

const count = (ports: readonly number[]): string => (ports.length > 1 ? `${ports[0]} and ${ports.length - 1} more` : `${ports[0] ?? 'nothing'}`)
/** `method scope host:ports -> host:ports [listens]`. */
const show = ({ method, scope, host, localPorts, remoteHost, remotePorts, listenMs, bursts, random, delayMs }: Volley): string => [
  `${method} ${scope} ${host} ${count(localPorts)} -> ${remoteHost} ${count(remotePorts)}`,
  ...(bursts === undefined ? [] : [`${bursts.join(' + ')} ${random === undefined ? 'from fresh ports' : `to ${random.low}-${random.high}`}`]), ...(listenMs === undefined ? [] : [`listens ${listenMs}`]),
  ...(delayMs === 0 ? [] : [`after ${delayMs}`]),
].join(', ')
const volleys = (given: Partial<PunchPlanInput>): readonly string[] => plan(given).volleys.map(show)
const skipped = (given: Partial<PunchPlanInput>): readonly string[] => plan(given).skipped.map(({ remote, code }) => `${formatEndpoint(remote)} ${code}`)

describe('where volleys go', () => {
  it('is first to our links, then outside, then to private networks elsewhere, IPv6 first', () => {
    const six = siteOf('[2001:db8:1::10]:4006', '[2001:db8:1::10]:4006', 'firewall')
    const theirs = [recordOf('10.9.9.9:70', '198.51.100.1:7000', 'port'), recordOf('192.168.1.20:71', '198.51.100.1:7001', 'port'), recordOf('[2001:db8:9::1]:72', '[2001:db8:9::1]:72', 'firewall')]
    expect(volleys({ mine: [mine, six], theirs, own: [lan, global6] })).toEqual([
      'listen local 192.168.1.10 4000 -> 192.168.1.20 71',
      'mapping external 2001:db8:1::10 4006 -> 2001:db8:9::1 72',
      'mapping external 192.168.1.10 4000 -> 198.51.100.1 7000',
      'mapping external 192.168.1.10 4000 -> 198.51.100.1 7001',
      'mapping external 192.168.1.10 4000 -> 10.9.9.9 70',
    ])
  })

  it('is from each uplink outside, from those on the link inside', () => {
    const other = siteOf('10.64.0.6:4001', '198.51.100.9:31000', 'port')
    expect(volleys({ mine: [mine, other], own: [lan, uplink], theirs: [recordOf('192.168.1.20:71', '198.51.100.1:7001', 'port')] })).toEqual([
      'listen local 192.168.1.10 4000 -> 192.168.1.20 71',
      'mapping external 192.168.1.10 4000 -> 198.51.100.1 7001',
      'mapping external 10.64.0.6 4001 -> 198.51.100.1 7001',
    ])
  })

  it('is where the responder listens and the initiator dials, by the ports both stated', () => {
    const counting = siteOf('192.168.1.10:4000', '203.0.113.1:30000', 'counting')
    const theirs = [recordOf('192.168.1.20:71')]
    expect(volleys({ mine: [counting], theirs, role: 'responder' })).toEqual(['listen local 192.168.1.10 4000 -> 192.168.1.20 71, listens Infinity'])
    expect(volleys({ mine: [counting], theirs })).toEqual(['listen local 192.168.1.10 4000 -> 192.168.1.20 71'])
  })

  it('is on one interface of one machine where both have one, else between interfaces', () => {
    const other = siteOf('10.64.0.6:4001')
    const both = { mine: [mine, other], own: [lan, uplink], isSameMachine: true }
    expect(volleys({ ...both, theirs: [recordOf('192.168.1.10:71')] })).toEqual(['listen local 192.168.1.10 4000 -> 192.168.1.10 71'])
    expect(volleys({ ...both, mine: [mine], theirs: [recordOf('10.64.0.6:71')] })).toEqual(['listen local 192.168.1.10 4000 -> 10.64.0.6 71'])
  })

  it('is loopback only for who states it, on the same machine', () => {
    const lo = { mine: [siteOf('127.0.0.1:4000')], own: [own('lo', '127.0.0.1/8')] }
    expect(volleys({ ...lo, isSameMachine: true, theirs: [recordOf('127.0.0.1:71')] })).toEqual(['listen local 127.0.0.1 4000 -> 127.0.0.1 71'])
    expect(skipped({ ...lo, theirs: [recordOf('127.0.0.1:71')] })).toEqual(['127.0.0.1:71 ERR_DIAL_FORBIDDEN'])
    expect(volleys({ isSameMachine: true, theirs: [recordOf('10.9.9.9:71')] })).toEqual(['mapping external 192.168.1.10 4000 -> 10.9.9.9 71'])
  })

  it('is by zone from and to a link-local address', () => {
    const linkLocal = own('eth0', 'fe80::10/64')
    expect(volleys({ mine: [siteOf('[fe80::10]:4000')], own: [linkLocal], theirs: [recordOf('[fe80::99]:71')] })).toEqual(['listen local fe80::10%eth0 4000 -> fe80::99%eth0 71'])
  })

  it('is nowhere the safety rules forbid', () => {
    expect(skipped({ theirs: [recordOf('10.9.9.9:71', '198.51.100.1:7001', 'port'), recordOf('224.0.0.1:72', '255.255.255.255:73')], mayDialPrivate: false }))
      .toEqual(['255.255.255.255:73 ERR_DIAL_FORBIDDEN', '10.9.9.9:71 ERR_DIAL_FORBIDDEN', '224.0.0.1:72 ERR_DIAL_FORBIDDEN'])
  })

  it('is never our own endpoint', () => {
    const theirs = [recordOf('192.168.1.10:4000', '203.0.113.1:30000', 'port'), recordOf('192.168.1.10:71', '203.0.113.1:30004', 'counting')]
    const { volleys: fired } = plan({ theirs, isSameMachine: true })
    expect(skipped({ theirs, isSameMachine: true })).toEqual(['192.168.1.10:4000 ERR_DIAL_SELF', '203.0.113.1:30000 ERR_DIAL_SELF'])
    expect(fired.flatMap(({ remotePorts }) => remotePorts)).not.toContain(30_000)
  })

  it('is left out for want of a port of that family', () => {
    expect(skipped({ own: [lan, global6], theirs: [recordOf('[2001:db8:9::1]:72')] })).toEqual(['[2001:db8:9::1]:72 ERR_DIAL_LOCAL'])
  })
})

describe('what the two sides do', () => {
  const meet = (one: Nat, other: Nat, given: Partial<PunchPlanInput> = {}) => {
    const [a, b] = [siteOf('10.0.1.2:4000', '203.0.113.1:30000', one), siteOf('10.0.2.2:5000', '198.51.100.1:40000', other)]
    const ofHost = ({ host }: PunchSite) => [own('eth0', `${host}/30`)]
    const strip = (text: string) => text.replace(/ external [\d.]+/, '').replace(/-> [\d.]+/, '->')
    const common = { mayDialPrivate: false, ...given }
    return {
      ours: volleys({ mine: [a], theirs: [b.record], own: ofHost(a), ...common }).map(strip),
      theirs: volleys({ mine: [b], theirs: [a.record], own: ofHost(b), role: 'responder', ...common }).map(strip),
    }
  }

  it('is one SYN each where both keep their mapping', () => {
    expect(meet('port', 'firewall')).toEqual({ ours: ['mapping 4000 -> 40000'], theirs: ['mapping 5000 -> 30000'] })
  })

  it('is listening behind a filter that asks for the address only', () => {
    expect(meet('address', 'random')).toEqual({ ours: ['listen 4000 -> 40000, listens Infinity'], theirs: ['listen 0 -> 30000, after 15'] })
  })

  it('is listening, and no SYN, behind a mapping by which everybody comes in', () => {
    expect(meet('random', 'open')).toEqual({ ours: ['listen 0 -> 40000'], theirs: ['listen 5000 -> nothing, listens Infinity'] })
    expect(meet('open', 'open')).toEqual({ ours: ['listen 4000 -> 40000'], theirs: ['listen 5000 -> nothing, listens Infinity'] })
  })

  it('is a port against a counter, which is shot at around its aim', () => {
    expect(meet('port', 'counting')).toEqual({ ours: ['predicted 4000 -> 40000 and 7 more'], theirs: ['predicted 0 and 7 more -> 30000'] })
    expect(meet('cone', 'counting').ours).toEqual(['predicted 4000 -> 40000 and 7 more, listens 250'])
  })

  it('is aim against aim where both count, any port in a window where a filter does not ask for it', () => {
    expect(meet('counting', 'counting')).toEqual({ ours: ['predicted 0 and 7 more -> 40000'], theirs: ['predicted 0 and 7 more -> 30000'] })
    expect(meet('counting', 'counting, unfiltered port').theirs).toEqual(['predicted 0 and 7 more -> 30000, listens Infinity'])
    expect(meet('random', 'counting, unfiltered port')).toEqual({ ours: ['predicted 0 -> 40000'], theirs: ['predicted 0 and 7 more -> 30000, listens Infinity'] })
  })

  it('is many SYNs to many ports where one draws them', () => {
    expect(meet('port', 'random')).toEqual({ ours: ['birthday 4000 -> 40000, 255 + 256 to 1024-65535'], theirs: ['birthday 0 -> 30000, 255 + 256 from fresh ports'] })
    expect(meet('counting, by address', 'random').ours).toEqual(['birthday 0 and 7 more -> 40000, 248 + 256 to 1024-65535'])
  })

  it('is as many at one moment in later rounds', () => {
    expect(meet('port', 'random', { round: 1 })).toEqual({ ours: ['birthday 4000 -> 40000, 511 to 1024-65535'], theirs: ['birthday 0 -> 30000, 511 from fresh ports'] })
    expect(meet('port', 'random', { round: 1, birthday: 'refused' }).ours).toEqual(['birthday 4000 -> 40000, 1023 to 1024-65535'])
  })

  it('tries first whether a filter that nobody knows asks for the port at all', () => {
    expect(meet('cone', 'random')).toEqual({
      ours: ['birthday 4000 -> 40000, 255 + 256 to 1024-65535, listens 250'],
      theirs: ['listen 0 -> 30000', 'birthday 0 -> 30000, 254 + 256 from fresh ports, after 250'],
    })
  })

  it('costs less on behalf of strangers, and next to nothing when switched off', () => {
    expect(meet('port', 'random', { birthday: 'small' })).toEqual({ ours: ['birthday 4000 -> 40000, 63 to 1024-65535'], theirs: ['birthday 0 -> 30000, 63 from fresh ports'] })
    expect(meet('port', 'random', { birthday: 'small', round: 1 })).toEqual({ ours: ['birthday 4000 -> 40000'], theirs: ['birthday 0 -> 30000'] })
    expect(meet('cone', 'random', { birthday: 'off' })).toEqual({ ours: ['birthday 4000 -> 40000, listens 250'], theirs: ['listen 0 -> 30000'] })
  })

  it('takes all of a small range, and what lies around it', () => {
    const theirs = (low: number, high: number) => [{ ...recordOf('10.0.2.2:5000', '198.51.100.1:40000', 'random'), range: [low, high] as const }]
    expect(plan({ theirs: theirs(40_000, 40_200) }).volleys[0]?.random).toEqual({ low: 39_845, high: 40_355 })
    expect(plan({ theirs: theirs(65_300, 65_535) }).volleys[0]?.random).toEqual({ low: 65_025, high: 65_535 })
    expect(plan({ theirs: theirs(20_000, 60_000) }).volleys[0]?.random).toEqual({ low: 20_000, high: 60_000 })
  })

  it('is one SYN where nothing else can work', () => {
    expect(meet('random', 'random')).toEqual({ ours: ['mapping 0 -> 40000'], theirs: ['mapping 0 -> 30000'] })
    expect(meet('counting', 'random')).toEqual({ ours: ['mapping 0 -> 40000'], theirs: ['mapping 0 -> 30000'] })
  })

  it('is a hairpin behind one NAT', () => {
    expect(volleys({ theirs: [recordOf('10.9.9.9:5000', '203.0.113.1:30007', 'port')], mayDialPrivate: false })).toEqual(['hairpin external 192.168.1.10 4000 -> 203.0.113.1 30007'])
  })
})

describe('sampling', () => {
  const needs = (one: Nat, other: Nat, external = '198.51.100.1:40000') => needsSampling([siteOf('10.0.1.2:4000', '203.0.113.1:30000', one)], [recordOf('10.0.2.2:5000', external, other)])

  it('is needed where a foretold port is shot at, and nowhere else', () => {
    expect([needs('port', 'counting'), needs('counting', 'counting'), needs('counting, by address', 'random'), needs('random', 'counting, unfiltered port')]).toEqual([true, true, true, true])
    expect([needs('address', 'counting'), needs('port', 'random'), needs('open', 'counting'), needs('counting', 'random'), needs('port', 'port')]).toEqual([false, false, false, false, false])
  })

  it('is not needed behind one NAT', () => {
    expect(needs('counting', 'counting', '203.0.113.1:40000')).toBe(false)
  })
})

describe('whatever the peer states', () => {
  const host4 = fc.constantFrom('127.0.0.1', '10.9.9.9', '192.168.1.20', '192.168.1.10', '192.168.1.255', '203.0.113.1', '198.51.100.1', '224.0.0.1', '0.0.0.0', '100.64.0.1', '169.254.1.1')
  const host6 = fc.constantFrom('::1', 'fe80::99', '2001:db8:9::1', '2001:db8:1::10', 'fd00::1', 'ff02::1', '64:ff9b::a00:1')
  const nat = fc.record({
    mapping: fc.constantFrom<NatBehaviour>('unknown', 'none', 'endpoint-independent', 'address-dependent', 'address-and-port-dependent'),
    filtering: fc.constantFrom<NatBehaviour>('unknown', 'none', 'endpoint-independent', 'address-dependent', 'address-and-port-dependent'),
    allocation: fc.constantFrom<PortAllocation>('unknown', 'none', 'equal', 'offset', 'sequential', 'dependent', 'random'),
    delta: fc.integer({ min: -32_768, max: 32_767 }),
  })
  const port = fc.integer({ min: 1, max: 65_535 })
  const range = fc.tuple(port, port).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
  const recordIn = (family: 4 | 6, host: fc.Arbitrary<string>): fc.Arbitrary<InterfaceRecord> => {
    const endpoint = fc.record({ host, port })
    return fc.record({ family: fc.constant(family), local: endpoint, external: endpoint, nat, range }, { requiredKeys: ['family'] })
  }
  const record = fc.oneof(recordIn(4, host4), recordIn(6, host6))
  const sites = fc.array(fc.tuple(fc.constantFrom(lan, uplink, global6), fc.option(nat, { nil: undefined }), port).map(([{ address, family }, known, local]): PunchSite => ({
    host: address, localPorts: [local], record: { family, local: { host: address, port: local }, external: { host: family === 4 ? '203.0.113.1' : address, port: local }, ...(known && { nat: known }) },
  })), { maxLength: 3 })

  it('sends only to permitted hosts, valid ports, from the right family, within the budget, and never to itself', () => {
    fc.assert(fc.property(sites, fc.array(record, { maxLength: 4 }), fc.boolean(), fc.boolean(), fc.constantFrom('full' as const, 'small' as const, 'off' as const), fc.constantFrom('initiator' as const, 'responder' as const),
      (held, theirs, isSameMachine, mayDialPrivate, birthday, role) => {
        const rules = { own: [lan, uplink, global6], isSameMachine, mayDialPrivate }
        const { volleys: fired } = plan({ mine: held, theirs, role, birthday, ...rules })
        const permitted = new Set(planDials({ interfaces: theirs, ...rules }).filter(({ skip }) => skip === undefined).map(({ remote }) => remote.host))
        const ours = new Set(held.flatMap(({ record: { local, external } }) => [local, external].map(one => formatEndpoint(one!))))
        for (const { method, host, remoteHost, remotePorts, localPorts, family, bursts = [], random } of fired) {
          expect(permitted).toContain(remoteHost)
          expect([familyOf(host), familyOf(remoteHost)]).toEqual([family, family])
          expect(remotePorts.every(one => one >= 1 && one <= 65_535 && !ours.has(formatEndpoint({ host: remoteHost, port: one })))).toBe(true)
          expect(bursts.reduce((sum, size) => sum + size, localPorts.length * remotePorts.length)).toBeLessThanOrEqual({ full: 512, small: 64, off: 8 }[birthday])
          if (random === undefined) continue
          expect(method).toBe('birthday')
          expect(random.low >= 1 && random.high <= 65_535 && random.high > random.low).toBe(true)
        }
      }), { numRuns: 500 })
  })
})
