import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OwnAddress } from '../../../src/nat/dial-plan.js'
import { NetworkWatch } from '../../../src/node/network-watch.js'
import { StunServers } from '../../../src/node/stun-servers.js'
import type { NetworkInterface } from '../../../src/node/types.js'
import { startClaimingStun, type ClaimingStun } from '../../support/claiming-stun.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { expectNoUdp } from './udp.js'

/** All of 127/8 is ours, so an address that comes, goes or changes needs no interface that does. */
const at = (address: string, interfaceName = 'eth0'): OwnAddress => ({ interfaceName, family: 4, address, cidr: `${address}/8` })

let servers: readonly ClaimingStun[]
let watch: NetworkWatch
/** Of the NAT that the servers pretend to see. */
let external: string | undefined
beforeEach(async () => {
  external = '203.0.113.7'
  servers = await Promise.all(['127.0.0.2', '127.0.0.3'].map(host => startClaimingStun(host, ({ port }) => (external === undefined ? undefined : { host: external, port }))))
  watch = new NetworkWatch({ servers: new StunServers(servers.map(({ server }) => server)), inspect: undefined })
})
afterEach(async () => {
  await watch.close()
  await Promise.all(servers.map(server => server.close()))
  await expectNoOpenSockets()
  await expectNoUdp()
})

const only = (): NetworkInterface => watch.interfaces[0] as NetworkInterface
const poll = <T>(value: () => T) => expect.poll(value, { timeout: 5_000, interval: 5 })
/** The states of the only interface, without repetitions. */
function statesSeen(): string[] {
  const states: string[] = []
  watch.changes$.subscribe(() => void (watch.interfaces.length === 1 && states.at(-1) !== only().state && states.push(only().state)))
  return states
}

describe('watching the network', () => {
  it('samples what is there, then knows it', async () => {
    const states = statesSeen()
    watch.update([at('127.0.0.1')])
    expect([only().state, watch.isSettled]).toEqual(['sampling', false])
    await poll(() => only().state).toBe('known')
    expect(states).toEqual(['sampling', 'known'])
    expect(only()).toMatchObject({ name: 'eth0', local: '127.0.0.1', external: '203.0.113.7', tcp: { mapping: 'endpoint-independent' }, udp: { mapping: 'endpoint-independent' } })
    expect(watch.tcpAt('127.0.0.1')).toMatchObject({ mapping: 'endpoint-independent', allocation: 'equal' })
  })

  it('is settled when its spare ports are warm, too', async () => {
    watch.update([at('127.0.0.1')])
    const warm: number[] = []
    watch.changes$.subscribe(() => watch.isSettled && warm.push(watch.spares.all.length))
    await poll(() => watch.isSettled).toBe(true)
    expect(warm[0]).toBe(1)
  })

  it('tells who answers by TCP and is believed', async () => {
    const liar = await startClaimingStun('127.0.0.5', ({ port }) => ({ host: '198.51.100.9', port }))
    const doubting = new NetworkWatch({ servers: new StunServers([liar, ...servers].map(({ server }) => server)), inspect: undefined })
    doubting.update([at('127.0.0.1')])
    expect([doubting.serversAt('127.0.0.1'), doubting.externalAt('127.0.0.1')]).toEqual([undefined, null])
    await poll(() => doubting.interfaces[0]?.state).toBe('known')
    expect(doubting.serversAt('127.0.0.1')?.map(({ host }) => host).sort()).toEqual(['127.0.0.2', '127.0.0.3'])
    expect([doubting.serversAt('127.0.0.4'), doubting.externalAt('127.0.0.1')]).toEqual([undefined, '203.0.113.7'])
    await doubting.close()
    await liar.close()
  })

  it('tells that nobody answers, once it was asked', async () => {
    external = undefined
    watch.update([at('127.0.0.1')])
    await poll(() => watch.serversAt('127.0.0.1')).toEqual([])
  })

  it('marks what it knows stale when the address changes, and samples by the new one', async () => {
    const states = statesSeen()
    watch.update([at('127.0.0.1')])
    await poll(() => only().state).toBe('known')
    await poll(() => watch.spares.all.length).toBe(1)
    external = '203.0.113.8'
    watch.update([at('127.0.0.4')])
    expect(only()).toMatchObject({ state: 'stale', local: '127.0.0.4', external: '203.0.113.7' })
    // what was true of the old address must not be told of the new one
    expect(watch.tcpAt('127.0.0.4')).toBeUndefined()
    expect(watch.spares.all).toEqual([])
    await poll(() => only()).toMatchObject({ state: 'known', local: '127.0.0.4', external: '203.0.113.8' })
    expect(states).toEqual(['sampling', 'known', 'stale', 'known'])
    await poll(() => watch.spares.all.map(({ local }) => local.host)).toEqual(['127.0.0.4'])
  })

  it('leaves what has not changed alone', async () => {
    watch.update([at('127.0.0.1')])
    await poll(() => only().state).toBe('known')
    const requests = servers.map(({ requests: { udp } }) => udp)
    watch.update([at('127.0.0.1'), at('127.0.0.4', 'eth1')])
    expect(watch.interfaces.map(({ state }) => state)).toEqual(['known', 'sampling'])
    expect(watch.isSettled).toBe(false)
    watch.update([at('127.0.0.1')])
    expect(watch.interfaces.map(({ state }) => state)).toEqual(['known'])
    expect(servers.map(({ requests: { udp } }) => udp)).toEqual(requests)
  })

  it('forgets what is gone, spare port included', async () => {
    watch.update([at('127.0.0.1')])
    await poll(() => watch.spares.all.length).toBe(1)
    watch.update([])
    expect([watch.interfaces, watch.spares.all, watch.isSettled]).toEqual([[], [], true])
    await poll(() => servers.flatMap(({ connected }) => connected)).toEqual([])
  })

  it('ends what an interface that goes away was being asked', async () => {
    external = undefined
    watch.update([at('127.0.0.1')])
    await poll(() => servers.flatMap(({ connected }) => connected).length).toBeGreaterThan(0)
    watch.update([])
    await poll(() => servers.flatMap(({ connected }) => connected)).toEqual([])
  })

  it('probes an address of wide scope where an interface has several, and none that leads nowhere', async () => {
    watch.update([at('127.0.0.4'), at('127.0.0.1'), { interfaceName: 'eth0', family: 6, address: 'fe80::1', cidr: 'fe80::1/64' }])
    await poll(() => watch.interfaces[0]?.state).toBe('known')
    expect(watch.interfaces.map(({ local, state }) => [local, state])).toEqual([['127.0.0.4', 'known'], ['127.0.0.1', 'stale'], ['fe80::1', 'stale']])
  })

  it('asks nobody where there is nobody to ask', async () => {
    const alone = new NetworkWatch({ servers: new StunServers([]), inspect: undefined })
    alone.update([at('127.0.0.1')])
    expect(alone.isSettled).toBe(true)
    expect(alone.interfaces).toMatchObject([{ local: '127.0.0.1', external: null, tcp: { mapping: 'unknown' } }])
    await alone.close()
  })

  it('is over after close, whatever comes', async () => {
    watch.update([at('127.0.0.1')])
    await watch.close()
    await watch.close()
    expect(watch.spares.all).toEqual([])
  })
})
