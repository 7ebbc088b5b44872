import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startStunResponder } from '../../../src/net/stun-responder.js'
import { decodeAddress } from '../../../src/protocol/address.js'
import type { Node, NetworkSummary } from '../../../src/node/types.js'
import { startClaimingStun, type ClaimingStun, type StunClaim } from '../../support/claiming-stun.js'
import { coturnMissing, startCoturn } from '../../support/coturn.js'
import { describeIf } from '../../support/requirements.js'
import { expectNoUdp } from './udp.js'
import { first, Nodes } from '../node/nodes.js'

let nodes: Nodes
beforeEach(() => {
  nodes = new Nodes()
})
afterEach(async () => {
  await nodes[Symbol.asyncDispose]()
  await expectNoUdp()
})

const serverAt = async (host: string, claim: StunClaim): Promise<ClaimingStun> => {
  const server = await startClaimingStun(host, claim)
  nodes.defer(() => server.close())
  return server
}
const silent: StunClaim = () => undefined
/** A NAT that keeps the port. */
const behindNat: StunClaim = ({ port }) => ({ host: '203.0.113.7', port })

const stateOf = ({ interfaces }: NetworkSummary): string | undefined => interfaces.find(({ local }) => local === '127.0.0.1')?.state
const known = (node: Node): Promise<NetworkSummary> => first(node.network$, network => stateOf(network) === 'known')

describeIf('a node with two coturn and a responder of our own', coturnMissing, () => {
  it('comes to know its network, and keeps a port warm', async () => {
    const coturns = await Promise.all([['127.0.0.1', '127.0.0.2'], ['127.0.0.3', '127.0.0.4']].map(hosts => startCoturn({ hosts })))
    for (const coturn of coturns) nodes.defer(() => coturn.close())
    const responder = await startStunResponder({ host: '127.0.0.5', alternateHost: '127.0.0.6' })
    nodes.defer(() => responder.close())
    const node = await nodes.node({ stun: [`127.0.0.5:${responder.port}`, ...coturns.map(({ hosts, port }) => `${hosts[0]}:${port}`)] })
    const states: (string | undefined)[] = []
    node.network$.subscribe(network => void (states.at(-1) !== stateOf(network) && states.push(stateOf(network))))
    await node.settled()
    expect(states).toEqual(['sampling', 'known'])
    const { sparePorts } = await first(node.network$, one => one.sparePorts.length > 0)
    expect(sparePorts).toEqual([{ local: expect.stringMatching(/^127\.0\.0\.1:\d+$/), mapped: sparePorts[0]?.local }])
    // servers on our side of whatever there is know nothing of a NAT
    expect((await first(node.network$)).interfaces[0]).toMatchObject({ external: null, tcp: { mapping: 'unknown' }, udp: { mapping: 'unknown' } })
  })
})

describe('learning the network', () => {
  it('keeps nobody waiting: the node is there, and its pipes connect, while servers are silent', async () => {
    const server = await serverAt('127.0.0.2', silent)
    const [node, peer] = [await nodes.node({ stun: [server.server] }), await nodes.echo({ stun: [server.server] })]
    expect(stateOf(await first(node.network$))).toBe('sampling')
    const pipe = await node.connect(peer.address)
    expect(stateOf(await first(node.network$))).toBe('sampling')
    await pipe.close()
  })

  it('tells why it came to nothing', async () => {
    const server = await serverAt('127.0.0.2', silent)
    const node = await nodes.node({ stun: [server.server] })
    await node.settled()
    const { interfaces } = await first(node.network$)
    expect(interfaces).toEqual(expect.arrayContaining([expect.objectContaining({ local: '127.0.0.1', state: 'stale', error: { code: 'ERR_STUN_TIMEOUT', message: 'no STUN server answered' } })]))
    expect(node.degraded).toContain('stun')
  })

  it('lets the address grow by the NAT', async () => {
    const servers = [await serverAt('127.0.0.2', behindNat), await serverAt('127.0.0.3', behindNat)]
    const node = await nodes.node({ stun: servers.map(({ server }) => server) })
    expect(decodeAddress(node.address).interfaces.map(({ nat }) => nat)).not.toContainEqual(expect.anything())
    const address = await first(node.address$, one => decodeAddress(one).interfaces.some(({ nat }) => nat !== undefined))
    expect(decodeAddress(address).interfaces).toContainEqual({ family: 4, local: expect.objectContaining({ host: '127.0.0.1' }), nat: { mapping: 'endpoint-independent', filtering: 'unknown', allocation: 'equal', delta: 0 } })
    expect((await known(node)).interfaces).toContainEqual(expect.objectContaining({ local: '127.0.0.1', external: '203.0.113.7' }))
    expect(node.degraded).not.toContain('stun')
  })

  it('ends at once with the node', async () => {
    const server = await serverAt('127.0.0.2', silent)
    const node = await nodes.node({ stun: [server.server] })
    const errors: unknown[] = []
    node.network$.subscribe(({ interfaces }) => void errors.push(...interfaces.filter(({ family }) => family === 4).map(({ error }) => error)))
    await expect.poll(() => Math.min(server.requests.tcp, server.requests.udp), { timeout: 5_000, interval: 5 }).toBeGreaterThan(0)
    await node.close()
    // nobody's patience has ended
    expect(new Set(errors)).toEqual(new Set([undefined]))
    await expect.poll(() => server.connected, { timeout: 5_000, interval: 5 }).toEqual([])
  })

  it('is over for who waits when the node is closed, then and later', async () => {
    const server = await serverAt('127.0.0.2', silent)
    const node = await nodes.node({ stun: [server.server] })
    const waiting = node.settled()
    await node.close()
    await waiting
    await node.settled()
  })
})
