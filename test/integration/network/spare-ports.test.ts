import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SparePorts } from '../../../src/node/spare-ports.js'
import { StunServers } from '../../../src/node/stun-servers.js'
import { startClaimingStun, type ClaimingStun } from '../../support/claiming-stun.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'

const place = { family: 4, local: '127.0.0.1' } as const
/** Does nothing by itself within a test. */
const calm = { refreshMs: 60_000, timeoutMs: 5_000, claimRefillMs: 60_000, retryMinMs: 60_000, retryMaxMs: 60_000 }
/** Asks again and again, and comes back at once. */
const eager = { refreshMs: 5, timeoutMs: 5_000, claimRefillMs: 5, retryMinMs: 5, retryMaxMs: 5 }

const open: { close(): Promise<unknown> }[] = []
let one: ClaimingStun
let two: ClaimingStun
/** How the world sees our ports: by this offset. */
let offset: number
beforeEach(async () => {
  offset = 100
  const claim: Parameters<typeof startClaimingStun>[1] = ({ port }) => ({ host: '203.0.113.7', port: port + offset })
  ;[one, two] = await Promise.all(['127.0.0.2', '127.0.0.3'].map(host => startClaimingStun(host, claim))) as [ClaimingStun, ClaimingStun]
  open.push(one, two)
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(each => each.close()))
  await expectNoOpenSockets()
})

function startSpares(policy = calm): SparePorts {
  const servers = new StunServers([one.server, two.server])
  const ports = new SparePorts(({ family }, signal) => servers.list(family, signal), policy)
  open.push(ports)
  return ports
}

const poll = <T>(value: () => T) => expect.poll(value, { timeout: 5_000, interval: 2 })

describe('a spare punch port', () => {
  it('is warm: its connection stands, and how the world sees it is known', async () => {
    const ports = startSpares()
    expect(ports.all).toEqual([])
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    const [client] = one.connected
    expect(ports.all).toEqual([{ local: client, mapped: { host: '203.0.113.7', port: (client?.port ?? 0) + 100 } }])
  })

  it('is one for each place, however often it is asked for', async () => {
    const ports = startSpares()
    for (const key of ['lo/4', 'lo/4', 'other/4']) ports.keep(key, place)
    await poll(() => ports.all.length).toBe(2)
    expect(one.requests.tcp).toBe(2)
  })

  it('is refreshed over the same connection, and follows its mapping', async () => {
    const ports = startSpares(eager)
    ports.keep('lo/4', place)
    await poll(() => one.requests.tcp).toBeGreaterThan(3)
    const [before] = ports.all
    offset = 200
    await poll(() => ports.all[0]?.mapped.port).toBe((before?.local.port ?? 0) + 200)
    expect(one.connected).toEqual([before?.local])
  })

  it('is another one, at the next server, when its server dies', async () => {
    const ports = startSpares({ ...calm, retryMinMs: 5 })
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    const [before] = ports.all
    await one.close()
    await poll(() => two.connected.length).toBe(1)
    await poll(() => ports.all.map(({ local }) => local)).toEqual(two.connected)
    expect(ports.all).not.toEqual([before])
  })

  it('is not shown any more when its server went silent', async () => {
    const ports = startSpares({ ...eager, timeoutMs: 50, retryMinMs: 60_000, retryMaxMs: 60_000 })
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    offset = NaN
    await poll(() => ports.all).toEqual([])
    await poll(() => one.connected).toEqual([])
  })

  it('is sought at all servers in turn where each hangs up', async () => {
    const ports = startSpares({ ...calm, retryMinMs: 1, retryMaxMs: 60_000 })
    const hangUp = ports.changes$.subscribe(() => [one, two].forEach(server => server.hangUp()))
    ports.keep('lo/4', place)
    await poll(() => one.requests.tcp + two.requests.tcp).toBeGreaterThanOrEqual(6)
    hangUp.unsubscribe()
    expect(Math.abs(one.requests.tcp - two.requests.tcp)).toBeLessThanOrEqual(1)
  })

  it('has been tried when nobody answers', async () => {
    await Promise.all([one.close(), two.close()])
    const ports = startSpares()
    ports.keep('lo/4', place)
    expect(ports.isSettled).toBe(false)
    await poll(() => ports.isSettled).toBe(true)
    expect(ports.all).toEqual([])
  })

  it('moves with the address', async () => {
    const ports = startSpares()
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    ports.keep('lo/4', { ...place, local: '127.0.0.9' })
    await poll(() => ports.all.map(({ local }) => local.host)).toEqual(['127.0.0.9'])
    await poll(() => one.connected.map(({ host }) => host)).toEqual(['127.0.0.9'])
  })

  it('is gone when it is given up, and after close', async () => {
    const ports = startSpares()
    ports.keep('lo/4', place)
    ports.keep('other/4', place)
    await poll(() => one.connected.length).toBe(2)
    ports.drop('lo/4')
    await poll(() => one.connected.length).toBe(1)
    await ports.close()
    expect(ports.all).toEqual([])
    await poll(() => one.connected).toEqual([])
  })

  it('is asked for at the next server when one is silent', async () => {
    const claim: Parameters<typeof startClaimingStun>[1] = () => undefined
    const silent = await startClaimingStun('127.0.0.4', claim)
    open.push(silent)
    const servers = new StunServers([silent.server, one.server])
    const ports = new SparePorts(({ family }, signal) => servers.list(family, signal), calm)
    open.push(ports)
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    expect([silent.requests.tcp, one.requests.tcp]).toEqual([1, 1])
    await poll(() => silent.connected).toEqual([])
  })

  it('is the claimer’s when it is claimed, and another comes up later', async () => {
    const ports = startSpares({ ...calm, claimRefillMs: 5 })
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    const [before] = ports.all
    const claimed = ports.claim('127.0.0.1')
    open.push({ close: async () => claimed?.close() })
    expect([claimed?.local, claimed?.binding.mapped, ports.all]).toEqual([before?.local, before?.mapped, []])
    await poll(() => ports.all.length).toBe(1)
    expect(ports.all).not.toEqual([before])
    expect(one.connected).toHaveLength(2)
  })

  it('is nobody’s where there is none', async () => {
    const ports = startSpares()
    ports.keep('lo/4', place)
    expect(ports.claim('127.0.0.1')).toBeUndefined()
    await poll(() => ports.all.length).toBe(1)
    expect(ports.claim('127.0.0.9')).toBeUndefined()
  })

  it('is the same again when it is given back soon, and asks on', async () => {
    const ports = startSpares({ ...eager, claimRefillMs: 60_000 })
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    const [before] = ports.all
    ports.giveBack(ports.claim('127.0.0.1')!)
    await poll(() => ports.all).toEqual([before])
    const asked = one.requests.tcp
    await poll(() => one.requests.tcp).toBeGreaterThan(asked + 2)
    expect(one.connected).toEqual([before?.local])
  })

  it('is ended when it is given back where there is another', async () => {
    const ports = startSpares({ ...calm, claimRefillMs: 1 })
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    const claimed = ports.claim('127.0.0.1')!
    await poll(() => ports.all.length).toBe(1)
    ports.giveBack(claimed)
    await poll(() => one.connected).toEqual(ports.all.map(({ local }) => local))
  })

  it('is ended when it is given back after close', async () => {
    const ports = startSpares()
    ports.keep('lo/4', place)
    await poll(() => ports.all.length).toBe(1)
    const claimed = ports.claim('127.0.0.1')!
    await ports.close()
    ports.giveBack(claimed)
    await poll(() => one.connected).toEqual([])
  })

  it('ends while it connects', async () => {
    const ports = startSpares()
    ports.keep('lo/4', place)
    await ports.close()
    expect(ports.all).toEqual([])
  })
})
