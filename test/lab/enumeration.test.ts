import { afterAll, beforeAll, expect, it } from 'vitest'
import { unknownProfile } from '../../src/nat/enumeration/classify.js'
import type { NetworkInterface, NetworkSummary } from '../../src/node/types.js'
import type { InterfaceRecord } from '../../src/protocol/interface-record.js'
import { labMissing, natKindNames, startLab, type Host, type Lab, type NatKindName, type Site, type SiteSpec } from '../support/lab/index.js'
import { coturnMissing, startCoturn } from '../support/lab/services.js'
import { describeIf } from '../support/requirements.js'
import { expectedOf } from './expected-profile.js'
import { ask, queue, startServer } from './processes.js'

/** One of each feature. All kinds, N times each: THROUGHLINE_TEST_LONG=1 THROUGHLINE_TEST_RUNS=N, a minute each on 2 cores. */
const slice: readonly NatKindName[] = [
  'random-rst', 'full-cone', 'firewall', 'restricted-hairpin', 'carrier', 'cone-offset-backwards', 'cone-per-port-backwards', 'address-dependent-sequential', 'symmetric-backwards-5', 'symmetric-busy', 'tcp-symmetric', 'cone-no-udp',
]
const isLong = process.env['THROUGHLINE_TEST_LONG'] === '1'
const names = isLong ? natKindNames : slice
const runs = isLong ? Number(process.env['THROUGHLINE_TEST_RUNS'] ?? 1) : 1
/** 40 ms from host to server and back. */
const far = { uplinkDelayMs: 20 } as const
const behind = (nat: NatKindName): SiteSpec => ({ nat, ipv6: false, ...far })

/** What enumerate.process.ts prints. */
interface Report extends NetworkSummary {
  readonly degraded: readonly string[]
  /** When the node was ready. */
  readonly statesAtFirst: readonly string[]
  /** Of its address. */
  readonly records: readonly InterfaceRecord[]
  readonly readyMs: number
  readonly elapsedMs: number
}

const v4 = ({ interfaces }: Report): NetworkInterface => interfaces.find(({ family }) => family === 4) as NetworkInterface
/** Nobody has these addresses: they swallow packets. */
const dead = ['198.51.100.250:3478', '198.51.100.251:3478', '198.51.100.252:3478']

/** On two addresses, of which the second is added here; nowhere, where the kernel has no IPv6. */
async function startResponder6(host: Host): Promise<readonly string[]> {
  if (host.ipv6 === undefined) return []
  const second = host.ipv6.replace(/::2$/, '::3')
  await host.run('ip', ['-6', 'address', 'add', `${second}/64`, 'dev', 'eth0', 'nodad'], { timeoutMs: 5_000 })
  await startServer(host, 'responder', [host.ipv6, second])
  return [`[${host.ipv6}]:3478`]
}

describeIf('enumeration', labMissing() ?? coturnMissing, () => {
  let lab: Lab
  let servers: readonly string[]
  let servers6: readonly string[]
  const inTurn = queue(2)
  const site = (name: string): Site => lab.sites[name] as Site
  const took: number[] = []
  /** The latest of each host: two at once would move each other's counters. */
  const latest = new Map<Host, Promise<unknown>>()
  const enumerate = (host: Host, stun: readonly string[] = servers): Promise<Report> => {
    const report = Promise.allSettled([latest.get(host)]).then(() => inTurn(() => ask<Report>(host, 'enumerate', stun)))
    latest.set(host, report)
    report.then(({ elapsedMs }) => took.push(elapsedMs), () => {})
    return report
  }

  beforeAll(async () => {
    const kinds = Object.fromEntries(names.map(name => [name, behind(name)]))
    lab = await startLab({
      carriers: { isp: { nat: 'carrier', ...far } },
      sites: {
        one: { addresses: 2 }, two: { addresses: 2 }, own: { addresses: 2 }, liar: { ipv6: false }, open: far,
        home: { nat: 'masquerade', ...far }, phone: { nat: 'symmetric', ipv6: false, ...far }, customer: { nat: 'masquerade', behind: 'isp' },
        ...kinds, cone: behind('cone'), 'symmetric-sequential': behind('symmetric-sequential'),
      },
      multihomed: { laptop: { sites: ['home', 'phone'] } },
    })
    const [one, two, own] = ['one', 'two', 'own'].map(site) as [Site, Site, Site]
    await Promise.all([startCoturn(one), startCoturn(two), startServer(own, 'responder', [own.ipv4, own.secondIpv4 ?? '']), startServer(site('liar'), 'liar', [site('liar').ipv4, '203.0.113.99'])])
    servers = [own, one, two].map(({ ipv4 }) => `${ipv4}:3478`)
    servers6 = (await Promise.all([own, one].map(startResponder6))).flat()
  })
  afterAll(async () => {
    process.stderr.write(`enumerations took ${took.map(Math.round).sort((a, b) => a - b).join(', ')} ms\n`)
    await lab?.close()
  })

  it.concurrent.each(names)('finds what a NAT does with TCP and with UDP: %s', async name => {
    // each enumeration takes some forty of its ports, for minutes
    const series = name === 'symmetric-few-ports' ? Math.min(runs, 4) : runs
    for (let run = 1; run <= series; run += 1) {
      const report = await enumerate(site(name))
      expect(report.statesAtFirst).toEqual(['sampling'])
      const found = v4(report)
      expect(found).toMatchObject({ ...expectedOf(name), state: 'known', external: site(name).externalIpv4 })
      for (const { classic } of [found.tcp, found.udp]) expect(classic).not.toMatch(/^open/)
    }
  }, 60_000 + runs * 10_000)

  it.concurrent('calls a host that anybody reaches open', async () => {
    const { interfaces } = await enumerate(site('open'), [...servers, ...servers6])
    expect(interfaces.map(({ local, external }) => [local, external])).toEqual([site('open').ipv4, site('open').ipv6].filter(one => one !== undefined).map(one => [one, one]))
    for (const profile of interfaces.flatMap(({ tcp, udp }) => [tcp, udp])) expect(profile).toMatchObject({ mapping: 'none', filtering: 'none', allocation: 'none', delta: 0, classic: 'open internet' })
  })

  it.concurrent('is less sure of a counter that others move', async () => {
    const [quiet, busy] = await Promise.all([enumerate(site('symmetric-sequential')), enumerate(site('symmetric-busy'))])
    for (const transport of ['tcp', 'udp'] as const) expect(v4(busy)[transport].confidence).toBeLessThan(v4(quiet)[transport].confidence)
  })

  it.concurrent.each([0, 1, 2])('is as good with one of three servers dead: number %i', async place => {
    const list = servers.with(place, dead[0] ?? '')
    const { tcp, udp } = expectedOf('symmetric-sequential')
    // nobody else dials back
    const filtering = place === 0 ? 'unknown' : tcp.filtering
    expect(v4(await enumerate(site('symmetric-sequential'), list))).toMatchObject({ tcp: { ...tcp, filtering }, udp, external: site('symmetric-sequential').externalIpv4 })
  })

  it.concurrent('outvotes a server that lies about the mapped address', async () => {
    const [own = '', one = ''] = servers
    const report = await enumerate(site('cone'), [`${site('liar').ipv4}:3478`, one, own])
    expect(v4(report)).toMatchObject({ ...expectedOf('cone'), external: site('cone').externalIpv4 })
  })

  it.concurrent('believes nobody when one lies and one is honest', async () => {
    const report = await enumerate(site('cone'), [`${site('liar').ipv4}:3478`, servers[1] ?? ''])
    expect(v4(report)).toMatchObject({ external: null, tcp: { mapping: 'unknown' }, udp: { mapping: 'unknown' } })
  })

  it.concurrent('knows nothing where all servers are dead, tells why, and keeps nobody waiting', async () => {
    const report = await enumerate(site('cone'), dead)
    expect(report.statesAtFirst).toEqual(['sampling'])
    expect(v4(report)).toMatchObject({ state: 'stale', external: null, tcp: unknownProfile, udp: unknownProfile, error: { code: 'ERR_STUN_TIMEOUT', message: expect.any(String) } })
    expect(report.degraded).toContain('stun')
    // what settled() promises at most
    expect(report.elapsedMs).toBeLessThan(10_000)
  })

  it.concurrent('sees two NATs in a row as one', async () => {
    const { tcp, udp, external } = v4(await enumerate(site('customer')))
    for (const profile of [tcp, udp]) expect(profile).toMatchObject({ mapping: 'endpoint-independent', allocation: 'random', classic: 'port restricted, random' })
    expect(external).toBe(site('customer').externalIpv4)
  })

  it.concurrent('tells two uplinks apart', async () => {
    const laptop = lab.multihomed['laptop']!
    const { interfaces } = await enumerate(laptop)
    for (const { interface: name, ipv4, externalIpv4, site: nat } of laptop.uplinks) {
      const expected = expectedOf(nat === 'home' ? 'masquerade' : 'symmetric')
      expect(interfaces.find(one => one.name === name && one.family === 4)).toMatchObject({ ...expected, local: ipv4, external: externalIpv4, state: 'known' })
    }
  })

  it.concurrent('finds a firewall on IPv6 beside a NAT on IPv4', async context => {
    if (servers6.length === 0) context.skip('the kernel has no IPv6')
    const { interfaces } = await enumerate(site('home'), [...servers6, ...servers])
    const six = interfaces.find(({ family }) => family === 6)
    expect(six).toMatchObject({ local: site('home').ipv6, external: site('home').ipv6, state: 'known', cgnatSuspected: false })
    for (const profile of [six?.tcp, six?.udp]) expect(profile).toMatchObject({ mapping: 'none', filtering: 'address-and-port-dependent', allocation: 'none', classic: 'symmetric firewall' })
    expect(interfaces.find(({ family }) => family === 4)).toMatchObject(expectedOf('masquerade'))
  })

  it.concurrent('puts the NAT into the address of the node', async () => {
    const { records } = await enumerate(site('symmetric-sequential'))
    expect(records).toEqual([{ family: 4, local: expect.anything(), nat: { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', allocation: 'sequential', delta: 1 } }])
  })
})
