import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unknownProfile } from '../../../src/nat/enumeration/classify.js'
import type { OwnAddress } from '../../../src/nat/dial-plan.js'
import type { NatProfile } from '../../../src/nat/nat-profile.js'
import type { PunchSite } from '../../../src/nat/punch/volley.js'
import { PunchPorts } from '../../../src/node/punch-ports.js'
import { SparePorts } from '../../../src/node/spare-ports.js'
import { parseEndpoint, type Endpoint } from '../../../src/protocol/endpoint.js'
import { startClaimingStun, type ClaimingStun, type StunClaim } from '../../support/claiming-stun.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'

/** All of 127/8 is ours. */
const at = (address: string, interfaceName = address): OwnAddress => ({ interfaceName, family: 4, address, cidr: `${address}/32` })
const here = '127.0.0.1'
const external = '203.0.113.7'
const nat = (fields: Partial<NatProfile>): NatProfile => ({ ...unknownProfile, filtering: 'address-and-port-dependent', confidence: 0.9, ...fields })
const keeping = nat({ mapping: 'endpoint-independent', allocation: 'equal' })
const counting = nat({ mapping: 'address-and-port-dependent', allocation: 'sequential', delta: 2 })
const preserving = nat({ mapping: 'address-and-port-dependent', allocation: 'equal' })
const dependent = nat({ mapping: 'address-and-port-dependent', allocation: 'dependent', delta: 1 })
const random = nat({ mapping: 'address-and-port-dependent', allocation: 'random', range: [20_000, 30_000] })
const calm = { refreshMs: 60_000, timeoutMs: 5_000, claimRefillMs: 60_000, retryMinMs: 60_000, retryMaxMs: 60_000 }

let one: ClaimingStun
let two: ClaimingStun
let spares: SparePorts
let own: OwnAddress[]
/** What is known of the NAT, and of the servers; undefined: nothing yet. */
let known: NatProfile | undefined
let believed: readonly Endpoint[] | undefined
/** Ports at which the world sees ours, by server. */
let offsets: [number, number]
const open: { close(): unknown }[] = []
const { signal } = new AbortController()

const endpoint = ({ server }: ClaimingStun) => parseEndpoint(server) as Endpoint
beforeEach(async () => {
  offsets = [100, 100]
  own = [at(here)]
  const claim = (index: 0 | 1): StunClaim => ({ port }) => (Number.isNaN(offsets[index]) ? undefined : { host: external, port: port + offsets[index] })
  ;[one, two] = [await startClaimingStun('127.0.0.2', claim(0)), await startClaimingStun('127.0.0.3', claim(1))]
  known = keeping
  believed = [endpoint(one), endpoint(two)]
  spares = new SparePorts(async () => [endpoint(one)], calm)
  open.push(one, two, spares)
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(each => each.close()))
  await expectNoOpenSockets()
})

const poll = <T>(value: () => T) => expect.poll(value, { timeout: 5_000, interval: 2 })
const connected = () => [...one.connected, ...two.connected]

function take(): PunchPorts {
  const network = { tcpAt: () => known, externalAt: () => (known === undefined ? null : external), serversAt: () => believed, spares }
  const ports = new PunchPorts({ network, servers: { list: async () => [endpoint(one), endpoint(two)] }, own: () => own })
  open.push({ close: () => ports.release(true) })
  return ports
}
async function warm(): Promise<Endpoint> {
  spares.keep('lo/4', { family: 4, local: here })
  await poll(() => spares.all.length).toBe(1)
  return spares.all[0]!.local
}
const gather = async (ports: PunchPorts, isSampling = false): Promise<readonly PunchSite[]> => ports.gather(isSampling, signal)
const only = (sites: readonly PunchSite[]): PunchSite => {
  expect(sites).toHaveLength(1)
  return sites[0]!
}

describe('the ports of a punch', () => {
  it('are at hand at once where a spare is warm', async () => {
    const local = await warm()
    const site = only(take().gather(false, signal) as readonly PunchSite[])
    expect(site).toMatchObject({ host: here, localPorts: [local.port], record: { family: 4, local, external: { host: external, port: local.port + 100 } } })
    expect([spares.all, one.requests.tcp]).toEqual([[], 1])
  })

  it('are the spare again when nothing was sent from them', async () => {
    const local = await warm()
    const ports = take()
    void ports.gather(false, signal)
    ports.release(false)
    await poll(() => spares.all.map(spare => spare.local)).toEqual([local])
    expect(connected()).toEqual([local])
  })

  it('are ended when they were used', async () => {
    await warm()
    const ports = take()
    void ports.gather(false, signal)
    ports.release(true)
    await poll(connected).toEqual([])
    expect(spares.all).toEqual([])
  })

  it('belong to one attempt: another gets ports of its own', async () => {
    await warm()
    const first = only(await gather(take()))
    const second = only(await gather(take()))
    expect(second.record.external?.port).toBe(second.localPorts[0]! + 100)
    expect(second.localPorts).not.toEqual(first.localPorts)
  })

  it('are mapped by the nearest server where none is warm, and that connection stays', async () => {
    const site = only(await gather(take()))
    expect(site.record.external).toEqual({ host: external, port: site.localPorts[0]! + 100 })
    expect(one.connected).toEqual([{ host: here, port: site.localPorts[0] }])
    expect(two.requests.tcp).toBe(0)
  })

  it('are mapped by the next server when the nearest is silent', async () => {
    offsets[0] = NaN
    const site = only(await gather(take()))
    expect(site.record.external).toEqual({ host: external, port: site.localPorts[0]! + 100 })
    expect([one.requests.tcp, two.requests.tcp]).toEqual([1, 1])
  })

  it('have their local endpoint alone when every server is silent, within the limit', async () => {
    offsets = [NaN, NaN]
    const { record, localPorts } = only(await gather(take()))
    expect(record).toMatchObject({ local: { host: here, port: localPorts[0] } })
    expect(record.external).toBeUndefined()
    await poll(connected).toEqual([])
  })

  it('have their local endpoint alone where no server is believed', async () => {
    believed = []
    const { record } = only(await gather(take()))
    expect([record.local?.host, record.external, connected()]).toEqual([here, undefined, []])
  })

  it('are one for each interface and family, of the best address, and three of a family at most', async () => {
    own = [at('127.0.0.5', 'a'), at('127.0.0.6', 'a'), at('127.0.0.7', 'b'), at('127.0.0.8', 'c'), at('127.0.0.9', 'd')]
    const sites = await gather(take())
    expect(sites.map(({ host }) => host)).toEqual(['127.0.0.5', '127.0.0.7', '127.0.0.8'])
    expect(connected().map(({ host }) => host).sort()).toEqual(['127.0.0.5', '127.0.0.7', '127.0.0.8'])
  })

  it('are of loopback where there is no interface, and then nobody is asked', async () => {
    own = []
    believed = undefined
    const { host, record } = only(await gather(take()))
    expect([host, record.external, one.requests.tcp]).toEqual([here, undefined, 0])
  })

  it('are left out at an address that is not ours any more', async () => {
    own = [at('192.0.2.1'), at(here)]
    expect((await gather(take())).map(({ host }) => host)).toEqual([here])
  })

  it('leave nothing behind when the attempt ends meanwhile', async () => {
    offsets = [NaN, NaN]
    const ports = take()
    const gathering = gather(ports)
    await poll(() => connected().length).toBe(1)
    ports.release(false)
    await gathering
    await poll(connected).toEqual([])
  })
})

describe('the ports of a punch, before the NAT is known', () => {
  beforeEach(() => {
    known = undefined
    believed = undefined
  })

  it('are mapped by two servers from one port, and stated where both see the same', async () => {
    const { localPorts, record } = only(await gather(take()))
    expect([localPorts.length, record.external?.port, record.local?.port]).toEqual([1, localPorts[0]! + 100, localPorts[0]])
    expect([one.requests.tcp, two.requests.tcp]).toEqual([1, 1])
  })

  it('state no mapping where the two differ', async () => {
    offsets = [100, 7]
    const { localPorts, record } = only(await gather(take()))
    expect(localPorts).toEqual([0])
    expect(record.nat).toMatchObject({ mapping: 'address-and-port-dependent', allocation: 'unknown' })
    expect(record.external?.host).toBe(external)
  })

  it('do not wait for a second server that is silent', async () => {
    offsets = [NaN, 100]
    const { localPorts, record } = only(await gather(take()))
    expect(record.external?.port).toBe(localPorts[0]! + 100)
    await poll(() => one.connected).toEqual([])
  })
})

describe('the ports of a later round', () => {
  /** The first that differ from those before. */
  async function changed(ports: PunchPorts, before: PunchSite): Promise<PunchSite> {
    let site = before
    await expect.poll(async () => (site = only(await gather(ports, true))), { timeout: 5_000, interval: 2 }).not.toEqual(before)
    return site
  }

  it('keep a mapping that lives', async () => {
    const ports = take()
    const before = only(await gather(ports))
    expect(ports.gather(true, signal)).toEqual([before])
    expect(one.requests.tcp).toBe(1)
  })

  it('are mapped anew from the same port when the mapping died', async () => {
    const ports = take()
    const before = only(await gather(ports))
    one.hangUp()
    offsets = [200, 200]
    const after = await changed(ports, before)
    expect(after.localPorts).toEqual(before.localPorts)
    expect(after.record.external?.port).toBe(before.localPorts[0]! + 200)
  })

  it('are other ones when the mapping died and the port listens', async () => {
    const ports = take()
    const before = only(await gather(ports))
    const listener = createServer().listen(before.localPorts[0], here)
    await once(listener, 'listening')
    open.push(listener)
    one.hangUp()
    const after = await changed(ports, before)
    expect(after.localPorts).not.toEqual(before.localPorts)
    expect(after.record.external?.port).toBe(after.localPorts[0]! + 100)
  })

  it('are sampled anew on a counter, by one server', async () => {
    known = counting
    const ports = take()
    expect(only(await gather(ports)).localPorts).toEqual([0])
    expect(one.requests.tcp).toBe(0)
    const samples = [only(await gather(ports, true)), only(await gather(ports, true))]
    expect(new Set(samples.map(({ record }) => record.external?.port)).size).toBe(2)
    expect([one.requests.tcp, two.requests.tcp]).toEqual([2, 0])
  })

  it('are ones no server has seen where the NAT keeps their number', async () => {
    known = preserving
    const { localPorts, record } = only(await gather(take(), true))
    expect(record.external).toEqual({ host: external, port: localPorts[0] })
    expect(one.requests.tcp + two.requests.tcp).toBe(0)
  })

  it('are neighbours where it counts along them', async () => {
    known = dependent
    const { localPorts, record } = only(await gather(take(), true))
    const [next = 0, sampled = 0] = localPorts
    expect([next - sampled, record.external?.port]).toEqual([1, sampled + 101])
    expect(one.connected.map(({ port }) => port)).toEqual([sampled])
  })

  it('leave the spare alone where it would tell nothing', async () => {
    known = random
    await warm()
    const ports = take()
    const first = only(await gather(ports))
    expect(ports.gather(true, signal)).toEqual([first])
    expect([spares.all.length, one.requests.tcp]).toEqual([1, 1])
  })
})
