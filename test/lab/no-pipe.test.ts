import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, newHome, runToEnd, startListener, type CliOptions, type Outcome } from '../support/cli.js'
import { expectCode, expectEchoed } from '../support/expect-outcome.js'
import type { Site } from '../support/lab/index.js'
import { describeIf } from '../support/requirements.js'
import { startVillage, villageMissing, type Village } from './village.js'

/** Strategies of today; punching would connect two NATed peers. */
const unpunched = ['--strategies', 'direct,reverse']
const offlineLimitMs = 10_000

describeIf('connect, where no pipe can come about', villageMissing(), () => {
  let village: Village<'alice' | 'bob' | 'home' | 'other'>
  let withBroker: CliOptions

  beforeAll(async () => {
    village = await startVillage({ alice: {}, bob: {}, home: { nat: 'masquerade' }, other: { nat: 'masquerade' } })
    withBroker = { mqtt: village.mqtt }
  })
  afterAll(() => village?.close())

  /** What was known of a listener that is gone. */
  async function startAndKill(site: Site, options: CliOptions = {}): Promise<{ id: string; address: string }> {
    await using listener = await startListener(site, { ...withBroker, ...options })
    const { id, address } = listener
    return { id, address }
  }

  it.concurrent('ends with 4 between two NATed peers, and says that the other one is there', async () => {
    await using listener = await startListener(village.sites.home, withBroker)
    const outcome = await connect(village.sites.other, listener.address, { ...withBroker, args: unpunched, timeoutMs: 25_000 })
    expectCode(outcome, 4)
    expectFailed(outcome, 'ERR_NO_PATH')
    const failed = outcome.event('failed')
    expect(failed?.['verdict']).toMatchObject({ code: 'ERR_NO_PATH', text: expect.stringContaining('acknowledged our offer'), advice: expect.stringContaining('Open a port') })
    expect(failed?.['candidates']).toContainEqual(expect.objectContaining({ strategy: 'direct', remote: expect.stringContaining(village.sites.home.ipv6 ?? ''), outcome: 'failed', code: 'ERR_DIAL_TIMEOUT' }))
    // An answered attempt waits for the dials of both sides, and for nothing beyond them.
    expect(failed?.['elapsedMs']).toBeLessThan(15_000)
    expect(listener.process.events.map(({ event }) => event)).not.toContain('pipe')
  })

  it.concurrent.each(['bob', 'home'] as const)('ends with 3 within 10 s when %s is gone, by address', async name => {
    const { address } = await startAndKill(village.sites[name])
    const outcome = await connect(village.sites.alice, address, withBroker)
    expectCode(outcome, 3)
    expectFailed(outcome, 'ERR_PEER_OFFLINE')
    expect(outcome.event('failed')?.['elapsedMs']).toBeLessThan(offlineLimitMs)
    expect(outcome.event('failed')?.['verdict']).toMatchObject({ text: expect.stringContaining('nobody acknowledged') })
  })

  it.concurrent('ends with 3 within 10 s when the peer is gone, by id', async () => {
    const { id } = await startAndKill(village.sites.bob)
    const outcome = await connect(village.sites.alice, id, withBroker)
    expectCode(outcome, 3)
    expectFailed(outcome, 'ERR_PEER_UNKNOWN')
    expect(outcome.event('failed')?.['elapsedMs']).toBeLessThan(offlineLimitMs)
  })

  it.concurrent('ends with 3, like one that is not there, when the list leaves the caller out and it has the id alone', async () => {
    await using listener = await startListener(village.sites.bob, { ...withBroker, args: ['--allow', await somebody()] })
    const outcome = await connect(village.sites.alice, listener.id, withBroker)
    expectCode(outcome, 3)
    expectFailed(outcome, 'ERR_PEER_UNKNOWN')
    expect(outcome.event('failed')?.['elapsedMs']).toBeLessThan(offlineLimitMs)
    expect(outcome.event('failed')?.['candidates']).toEqual([])
  })

  it.concurrent('ends with 5 when somebody with another key has taken the endpoint', async () => {
    const { address } = await startAndKill(village.sites.bob, { args: ['--listen-port', '4001'] })
    await using impostor = await startListener(village.sites.bob, { ...withBroker, args: ['--listen-port', '4001'] })
    const outcome = await connect(village.sites.alice, address, withBroker)
    expectCode(outcome, 5)
    expectFailed(outcome, 'ERR_PEER_KEY_MISMATCH')
    expect(outcome.said).toBe('')
    expect(impostor.process.events.map(({ event }) => event)).toEqual(['online'])
  })

  it.concurrent.each(['bob', 'home'] as const)('ends with 5 when the list of %s leaves the caller out and the caller holds the address', async name => {
    await using listener = await startListener(village.sites[name], { ...withBroker, args: ['--allow', await somebody()] })
    const outcome = await connect(village.sites.alice, listener.address, withBroker)
    expectCode(outcome, 5)
    expectFailed(outcome, 'ERR_REFUSED')
    expect(listener.process.events.map(({ event }) => event)).toEqual(['online'])
  })

  it.concurrent('lets a caller in that the list names', async () => {
    const home = newHome()
    try {
      const { events } = await runToEnd(village.sites.alice, ['identity'], { home, mqtt: [] })
      const id = String(events.find(({ event }) => event === 'identity')?.['id'])
      await using listener = await startListener(village.sites.home, { ...withBroker, args: ['--allow', id] })
      const outcome = await connect(village.sites.alice, listener.id, { ...withBroker, home })
      expectEchoed(outcome)
      expect(await listener.process.event('pipe')).toMatchObject({ peer: id, strategy: 'reverse' })
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })

  /** The id of a peer nobody has met. */
  async function somebody(): Promise<string> {
    const { events } = await runToEnd(village.sites.bob, ['identity'], { mqtt: [] })
    return String(events.find(({ event }) => event === 'identity')?.['id'])
  }
})

/** `failed` with all its fields, a sentence in it, and nothing on stdout. */
function expectFailed({ event, events, stdout }: Outcome, code: string): void {
  expect(event('failed')).toMatchObject({
    code, message: expect.any(String), session: expect.stringMatching(/^[0-9a-f]{32}$/),
    verdict: { code, text: expect.stringMatching(/\w{3}.*\.$/), advice: expect.stringMatching(/\w{3}/) }, candidates: expect.any(Array),
  })
  expect(events.filter(({ event: name }) => name === 'state').at(-1)).toMatchObject({ value: 'failed' })
  expect(event('connected')).toBeUndefined()
  expect(stdout).toHaveLength(0)
}
