import { afterAll, beforeAll, expect, it } from 'vitest'
import { labMissing, type Host, type LabSpec } from '../support/lab/index.js'
import { mosquittoMissing } from '../support/mosquitto.js'
import { describeIf } from '../support/requirements.js'
import { queue } from './processes.js'
import type { Dialled } from './punch-node.process.js'
import { siteBehind, siteDelayMs, startStage, type NodeVariant, type Stage, type StageNode } from './punch-stage.js'

/** Runs of each; the published figures come from `npm run bench:matrix`. THROUGHLINE_TEST_LONG=1 THROUGHLINE_TEST_RUNS=N for more, both ways round. */
const isLong = process.env['THROUGHLINE_TEST_LONG'] === '1'
const runs = isLong ? Number(process.env['THROUGHLINE_TEST_RUNS'] ?? 3) : 1
/** An attempt that fails has to say so before. */
const dialLimitMs = 12_000
const testLimitMs = isLong ? 600_000 : 90_000

const spec: LabSpec = {
  carriers: { isp: { nat: 'carrier', uplinkDelayMs: siteDelayMs }, deaf: { nat: 'carrier-restricted', uplinkDelayMs: siteDelayMs } },
  sites: {
    open: siteBehind('none'), drop: siteBehind('masquerade'), port: siteBehind('port-restricted'), rst: siteBehind('port-restricted-rst'), icmp: siteBehind('masquerade-icmp'), fragile: siteBehind('fragile-rst'),
    address: siteBehind('restricted'), up: siteBehind('symmetric-sequential'), down: siteBehind('symmetric-backwards-5'), random: siteBehind('symmetric'), drawn: siteBehind('random'),
    noudp: siteBehind('masquerade-no-udp'), late: siteBehind('masquerade'), lossy: siteBehind('masquerade', { uplinkLoss: 0.05 }), home: siteBehind('masquerade', { hosts: ['nas'] }),
    six: siteBehind('random', { ipv6: true }), sixth: siteBehind('random', { ipv6: true }),
    one: { nat: 'masquerade', behind: 'isp' }, two: { nat: 'masquerade', behind: 'isp' }, three: { nat: 'masquerade', behind: 'deaf' }, four: { nat: 'masquerade', behind: 'deaf' },
  },
  multihomed: { laptop: { sites: ['drawn', 'drop'] } },
}
const variants: Readonly<Record<string, NodeVariant>> = { late: { clockOffsetMs: 10_000 } }

describeIf('punching', labMissing() ?? mosquittoMissing, () => {
  let stage: Stage
  const inTurn = queue(2)
  /** The dial a node takes part in: two at once would move each other's counters. */
  const latest = new Map<string, Promise<unknown>>()
  const nodes = new Map<string, Promise<StageNode>>()

  beforeAll(async () => {
    stage = await startStage(spec, { isSource: true })
  })
  afterAll(() => stage?.close())

  function nodeAt(name: string): Promise<StageNode> {
    const host = stage.lab.hosts.get(name) as Host
    const node = nodes.get(name) ?? stage.startNode(host, variants[name])
    nodes.set(name, node)
    return node
  }

  /** One after the other for each node. */
  function dial(from: string, to: string): Promise<Dialled> {
    const before = Promise.allSettled([latest.get(from), latest.get(to)])
    const dialled = before.then(async () => {
      const [dialler, listener] = await Promise.all([nodeAt(from), nodeAt(to)])
      return inTurn(async () => dialler.dial({ address: await listener.address(), strategies: ['punch'], timeoutMs: dialLimitMs }))
    })
    for (const name of [from, to]) latest.set(name, dialled)
    return dialled
  }

  /** Every time; both ways round where there is time. */
  async function expectPaths(from: string, to: string, path: object, tries = 1): Promise<void> {
    for (let run = 0; run < runs; run += 1) {
      expect(await dialUntilUp(from, to, tries), `${from} -> ${to}, run ${run}`).toMatchObject({ path: { strategy: 'punch', scope: 'external', family: 4, ...path } })
      if (isLong) expect(await dialUntilUp(to, from, tries), `${to} -> ${from}, run ${run}`).toMatchObject({ path: { strategy: 'punch' } })
    }
  }

  /** What chance decides may be tried again, as its users would. */
  async function dialUntilUp(from: string, to: string, tries: number): Promise<Dialled> {
    const dialled = await dial(from, to)
    return dialled.path !== undefined || tries === 1 ? dialled : dialUntilUp(from, to, tries - 1)
  }

  const sure = [
    ['by the mappings both keep', 'drop', 'port', 'mapping'],
    ['where one NAT answers strangers with a reset', 'rst', 'drop', 'mapping'],
    ['where the other NAT does', 'drop', 'rst', 'mapping'],
    ['where the NATs answer with a reset and an ICMP error', 'icmp', 'rst', 'mapping'],
    ['where a reset ends the mapping', 'fragile', 'rst', 'mapping'],
    ['where UDP is blocked', 'noudp', 'port', 'mapping'],
    ['with a clock 10 s ahead and no time server', 'late', 'port', 'mapping'],
    ['by listening, where any port of a known address comes in', 'random', 'address', 'listen'],
    ['by listening, on a public host', 'open', 'drawn', 'listen'],
  ] as const
  const likely = [
    ['with 5 % of the packets lost', 'lossy', 'port', 'mapping'],
    ['by a foretold port of one side', 'drop', 'up', 'predicted'],
    ['by foretold ports of both sides', 'up', 'down', 'predicted'],
    ['by foretold ports, with a clock 10 s ahead', 'late', 'up', 'predicted'],
    ['by many ports at once', 'random', 'port', 'birthday'],
    ['by many ports at once, the other way round', 'port', 'random', 'birthday'],
  ] as const

  it.concurrent.each(sure)('joins two NATs %s: %s and %s by %s', async (_how, from, to, method) => {
    await expectPaths(from, to, { method })
  }, testLimitMs)

  // one in twenty may miss; how many do is for the matrix to tell
  it.concurrent.each(likely)('joins two NATs %s: %s and %s by %s, in three tries', async (_how, from, to, method) => {
    await expectPaths(from, to, { method }, 3)
  }, testLimitMs)

  it.concurrent('prefers the LAN behind one NAT', async () => {
    await expectPaths('home', 'nas.home', { scope: 'local', remote: expect.stringContaining(`${(stage.lab.hosts.get('nas.home') as Host).ipv4}:`) })
  }, testLimitMs)

  it.concurrent('goes by the mapping of the carrier both are behind', async () => {
    await expectPaths('one', 'two', { method: 'hairpin', remote: expect.stringContaining(`${(stage.lab.hosts.get('two') as Host).externalIpv4}:`) })
  }, testLimitMs)

  it.concurrent('says so when the carrier both are behind does not turn packets round', async () => {
    const { error, verdict } = await dial('three', 'four')
    expect(error?.code).toBe('ERR_NO_PATH')
    expect(`${verdict?.text} ${verdict?.advice}`).toMatch(/behind (the same|one) .*NAT/)
  }, testLimitMs)

  it.concurrent('goes by IPv6 through two stateful firewalls where IPv4 is hopeless', async context => {
    if ((stage.lab.hosts.get('six') as Host).ipv6 === undefined) context.skip('the kernel has no IPv6')
    await expectPaths('six', 'sixth', { family: 6, method: 'mapping' })
  }, testLimitMs)

  it.concurrent('uses the better one of two uplinks', async () => {
    const { uplinks } = stage.lab.multihomed['laptop']!
    await expectPaths('laptop', 'port', { method: 'mapping', local: expect.stringContaining(`${uplinks[1]?.ipv4}:`) })
  }, testLimitMs)

  it.concurrent('ends with the reason, and what would help, where both NATs draw a port per destination', async () => {
    const { error, verdict } = await dial('random', 'drawn')
    expect(error?.code).toBe('ERR_NO_PATH')
    expect(verdict).toMatchObject({ code: 'ERR_NO_PATH', text: expect.stringContaining('random ports per destination') })
    expect(`${verdict?.text} ${verdict?.advice}`).toContain('relay')
  }, testLimitMs)
})
