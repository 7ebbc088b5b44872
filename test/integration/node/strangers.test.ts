import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AnyActorRef } from 'xstate'
import { machineSecret } from '../../../src/net/machine-secret.js'
import type { Node, NodeOptions } from '../../../src/node/types.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import { machineTag } from '../../../src/protocol/machine-tag.js'
import { Nodes } from './nodes.js'
import { Stranger } from './stranger.js'

let nodes: Nodes
/** Events of candidates of the node under test: `status remote`. */
let candidates: string[]
beforeEach(() => {
  nodes = new Nodes()
  candidates = []
})
afterEach(async () => {
  await nodes[Symbol.asyncDispose]()
})

async function meet(options: NodeOptions = {}): Promise<{ bob: Node; stranger: Stranger }> {
  const broker = await nodes.broker()
  const inspect = (event: { type: string; actorRef: AnyActorRef; event?: { type: string; candidate?: { status: string; remote: string } } }) => {
    const candidate = event.type === '@xstate.event' && event.event?.type === 'candidate.changed' ? event.event.candidate : undefined
    if (candidate !== undefined) candidates.push(`${candidate.status} ${candidate.remote}`)
  }
  const bob = await nodes.echo({ mqtt: [broker.url], inspect: inspect as never, ...options })
  const stranger = await Stranger.meet(bob, broker.url)
  nodes.defer(() => stranger.close())
  return { bob, stranger }
}

/** A port that counts what connects to it. */
async function trap(host = '127.0.0.1'): Promise<{ readonly endpoint: { host: string; port: number }; readonly connections: () => number }> {
  let count = 0
  const server: Server = createServer(socket => {
    count += 1
    socket.on('error', () => {}).destroy()
  }).listen(0, host)
  await once(server, 'listening')
  nodes.defer(() => server.close())
  return { endpoint: { host, port: (server.address() as AddressInfo).port }, connections: () => count }
}

const at = (host: string, port: number): InterfaceRecord => ({ family: host.includes(':') ? 6 : 4, local: { host, port } })
const types = (stranger: Stranger, expected: readonly string[]) => expect.poll(() => stranger.types(), { timeout: 5_000, interval: 10 }).toEqual(expected)
const distinct = (prefix: string) => new Set(candidates.filter(line => line.startsWith(prefix)))

describe('the offer of a stranger', () => {
  it('is answered and acknowledged', async () => {
    const { stranger } = await meet()
    await stranger.offer([])
    await types(stranger, ['answer', 'ack'])
  })

  it('does not make us dial loopback, private or forbidden endpoints', async () => {
    const { stranger } = await meet()
    const { endpoint, connections } = await trap()
    await stranger.offer([at('127.0.0.1', endpoint.port), at('10.255.0.1', 7), at('224.0.0.1', 7), at('fd00::1', 7), at('::1', endpoint.port)])
    await types(stranger, ['answer', 'ack'])
    await expect.poll(() => distinct('skipped').size, { timeout: 5_000, interval: 10 }).toBeGreaterThanOrEqual(4)
    expect([connections(), distinct('dialling').size]).toEqual([0, 0])
  })

  it('costs two dials to two addresses, however many endpoints it names', async () => {
    const { stranger } = await meet()
    const { endpoint, connections } = await trap()
    const tag = machineTag(machineSecret(), stranger.identity.publicKey)
    await stranger.offer([at('127.0.0.2', endpoint.port), at('127.0.0.3', endpoint.port), at('127.0.0.1', endpoint.port)], { machineTag: tag })
    await types(stranger, ['answer', 'ack'])
    await expect.poll(() => distinct('failed').size, { timeout: 5_000, interval: 10 }).toBe(2)
    expect(distinct('skipped').size).toBeGreaterThanOrEqual(1)
    expect(connections()).toBeLessThanOrEqual(2)
  })

  it('is dropped above four a second', async () => {
    const { stranger } = await meet()
    await Promise.all(Array.from({ length: 12 }, () => stranger.offer([], { strategies: ['direct'] })))
    await stranger.offer([])
    await expect.poll(() => stranger.types().filter(type => type === 'answer').length, { timeout: 5_000, interval: 10 }).toBeGreaterThanOrEqual(4)
    expect(stranger.types().filter(type => type === 'ack').length).toBeLessThanOrEqual(8)
  })

  it('is answered after letters that are none', async () => {
    const { stranger } = await meet()
    await stranger.publish(new Uint8Array(5_000))
    await stranger.publish(randomBytes(300))
    await stranger.publish(new Uint8Array(0))
    await stranger.offer([])
    await types(stranger, ['answer', 'ack'])
  })
})

describe('an allow list', () => {
  it('refuses a stranger that holds the address', async () => {
    const { stranger } = await meet({ allow: [] })
    await stranger.offer([at('127.0.0.1', 9)])
    await types(stranger, ['ack', 'refuse'])
    expect(stranger.received.at(-1)).toMatchObject({ code: 'ERR_REFUSED' })
    expect(candidates).toEqual([])
  })

  it('says nothing to a stranger that holds only the id', async () => {
    const { stranger } = await meet({ allow: [] })
    await stranger.offer([], { tagged: false })
    await stranger.offer([])
    await types(stranger, ['ack', 'refuse'])
  })
})

describe('authorize', () => {
  it('is asked before anything is revealed, and its no is told', async () => {
    const asked: unknown[] = []
    const { stranger } = await meet({ authorize: request => { asked.push(request); return false } })
    await stranger.offer([at('127.0.0.1', 9)])
    await types(stranger, ['ack', 'refuse'])
    expect(asked).toEqual([{ peerId: stranger.identity.id, protocol: '', strategies: ['direct', 'reverse'] }])
    expect(candidates).toEqual([])
  })
})
