import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Volley } from '../../../src/nat/punch/volley.js'
import type { Role } from '../../../src/protocol/frames.js'
import { labMissing, startLab, type Lab, type Site } from '../../support/lab/index.js'
import { describeIf } from '../../support/requirements.js'
import type { PunchOrder, PunchReport } from './punch.process.js'

const tsx = resolve('node_modules/tsx/dist/loader.mjs')
const far = { ipv6: false, uplinkDelayMs: 10 } as const
const sites = {
  silent: { nat: 'masquerade', ...far }, silentToo: { nat: 'masquerade', ...far }, resets: { nat: 'masquerade-rst', ...far }, resetsToo: { nat: 'masquerade-rst', ...far },
  restricted: { nat: 'restricted-hairpin', ...far }, dependent: { nat: 'symmetric-few-ports', ...far },
} as const
const named = Object.fromEntries(Object.entries(sites).map(([name, site]) => [name.toLowerCase(), site]))
/** Local ports; these NATs keep them outside. */
const port = { initiator: 30_001, responder: 30_002 } as const

/** A process on a host that has not begun. */
async function prepare(host: Site, order: PunchOrder): Promise<{ go(): Promise<PunchReport>; end(): Promise<unknown> }> {
  const child = host.spawn(process.execPath, ['--import', tsx, resolve('test/integration/punch/punch.process.ts')], { stdio: ['pipe', 'pipe', 'inherit'] })
  if (child.stdin === null || child.stdout === null) throw new Error('no pipes')
  const { stdin, stdout } = child
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  await lines.next()
  return {
    async go() {
      stdin.write(`${JSON.stringify(order)}\n`)
      return JSON.parse((await lines.next()).value as string) as PunchReport
    },
    // nothing holds it but what it has not released
    end: () => {
      stdin.end()
      return once(child, 'exit')
    },
  }
}

describeIf('a punch through NATs', labMissing(), () => {
  let lab: Lab
  beforeAll(async () => {
    lab = await startLab({ sites: named })
  })
  afterAll(() => lab?.close())

  const site = (name: keyof typeof sites): Site => lab.sites[name.toLowerCase()] as Site

  /** Both at once; what is given besides changes their volleys. */
  async function punch(initiator: keyof typeof sites, responder: keyof typeof sites, rest: Partial<Record<Role, Partial<Volley>>> = {}): Promise<readonly PunchReport[]> {
    const volley = (role: Role, mine: Site, theirs: Site): Volley => ({
      method: 'mapping', scope: 'external', family: 4, host: mine.ipv4, localPorts: [port[role]], remoteHost: theirs.externalIpv4,
      remotePorts: [port[role === 'initiator' ? 'responder' : 'initiator']], delayMs: 0, ...rest[role],
    })
    const sides = await Promise.all([
      prepare(site(initiator), { role: 'initiator', volley: volley('initiator', site(initiator), site(responder)) }),
      prepare(site(responder), { role: 'responder', volley: volley('responder', site(responder), site(initiator)) }),
    ])
    const reports = await Promise.all(sides.map(side => side.go()))
    expect(await Promise.all(sides.map(side => side.end()))).toEqual([[0, null], [0, null]])
    process.stderr.write(`${initiator} and ${responder}: ${JSON.stringify(reports)}\n`)
    return reports
  }
  const joined = [{ steps: ['connected', 'secured'], isTlsServer: false }, { steps: ['connected', 'secured'], isTlsServer: true }]

  it.concurrent('opens from both sides at once, with one SYN each', async () => {
    const reports = await punch('silent', 'silentToo')
    expect(reports).toMatchObject(joined)
    expect(reports.map(({ syns, refused }) => [syns, refused])).toEqual([[1, 0], [1, 0]])
    // 40 ms, whatever came before
    for (const { rttMs } of reports) expect(rttMs).toBeGreaterThanOrEqual(40)
  })

  it.concurrent('goes on until two SYNs cross where NATs answer by RST', async () => {
    const reports = await punch('resets', 'resetsToo', { responder: { delayMs: 300 } })
    expect(reports).toMatchObject(joined)
    expect(reports[0]?.refused).toBeGreaterThan(0)
  })

  it.concurrent('finds the port of a NAT that draws one per destination', async () => {
    const reports = await punch('dependent', 'silent', {
      initiator: { method: 'birthday', localPorts: [0], remotePorts: [30_012], bursts: [63] },
      responder: { method: 'birthday', localPorts: [30_012], remotePorts: [], bursts: [256], random: { low: 40_000, high: 40_255 } },
    })
    expect(reports).toMatchObject(joined)
  })

  it.concurrent('is joined at a port that listens, from wherever a NAT sends', async () => {
    const reports = await punch('dependent', 'restricted', { responder: { method: 'listen', remotePorts: [1_024], listenMs: 60_000 }, initiator: { localPorts: [0], delayMs: 100 } })
    expect(reports).toMatchObject(joined)
    expect(reports.map(({ syns, refused }) => [syns, refused])).toEqual([[1, 0], [1, 0]])
  })
})
