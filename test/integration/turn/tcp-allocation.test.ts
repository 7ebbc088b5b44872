import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { Securer } from '../../../src/net/secure.js'
import { allocateTcp } from '../../../src/net/turn/allocate-tcp.js'
import type { AllocationRequest, TcpAllocation } from '../../../src/net/turn/types.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import { coturnMissing, startCoturn, type Coturn } from '../../support/coturn.js'
import { freePort } from '../../support/free-port.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { describeIf } from '../../support/requirements.js'
import { acceptNext, alice, readBytes, urlOf } from '../../support/turn.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const peers = ['127.0.0.1']
const open: { close(): Promise<unknown> }[] = []
const sockets: Socket[] = []
let coturn: Coturn

const keep = <T extends Socket>(socket: T): T => {
  sockets.push(socket.on('error', () => {}))
  return socket
}

const allocate = async (more: Partial<AllocationRequest> = {}): Promise<TcpAllocation> => {
  const allocation = await allocateTcp({ server: urlOf(coturn), ...limits, ...more })
  open.push(allocation)
  return allocation
}

const dial = async (port: number): Promise<Socket> => {
  const socket = keep(connect({ host: '127.0.0.1', port }))
  await once(socket, 'connect')
  return socket
}

/** A peer that echoes. */
async function startEcho(): Promise<number> {
  const server = createServer(socket => void keep(socket).pipe(socket)).listen(0, '127.0.0.1')
  open.push({ close: async () => { server.close(); await once(server, 'close') } })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(open.splice(0).map(one => one.close()))
  await expectNoOpenSockets()
})

describeIf('a TCP allocation at coturn', coturnMissing, () => {
  beforeAll(async () => {
    coturn = await startCoturn({ hosts: ['127.0.0.1'], auth: { users: { [alice.username]: alice.password } } })
  })
  afterAll(() => coturn.close())

  it('tells where peers reach us, how the server sees us, and what it takes to be quicker next time', async () => {
    const { server, local, relayed, mapped, realm, rttMs } = await allocate()
    expect(server).toEqual({ host: '127.0.0.1', port: coturn.port })
    expect(mapped).toEqual(local)
    expect(relayed.host).toBe('127.0.0.1')
    expect(realm).toMatchObject({ realm: 'throughline.test', nonce: expect.any(String) as string })
    expect(rttMs).toBeGreaterThan(0)
  })

  it('binds a peer that connects, and carries bytes both ways', async () => {
    const allocation = await allocate({ peers })
    const accepting = acceptNext(allocation, limits)
    const peer = await dial(allocation.relayed.port)
    const stream = keep(await accepting)
    stream.write('to the peer')
    peer.write('from the peer')
    expect(String(await readBytes(peer, 11))).toBe('to the peer')
    expect(String(await readBytes(stream, 13))).toBe('from the peer')
  })

  it('keeps what the peer sent before the stream was bound', async () => {
    const allocation = await allocate({ peers })
    const accepting = acceptNext(allocation, limits)
    const peer = await dial(allocation.relayed.port)
    peer.write('early')
    expect(String(await readBytes(keep(await accepting), 5))).toBe('early')
  })

  it('connects to a peer from the relayed address', async () => {
    const port = await startEcho()
    const stream = keep(await (await allocate({ peers })).connect({ host: '127.0.0.1', port }, limits))
    stream.write('there and back')
    expect(String(await readBytes(stream, 14))).toBe('there and back')
  })

  it('joins two allocations: one connects, the other binds; 8 MiB one way, then the other, arrive as they were', async () => {
    const one = await allocate({ peers })
    const other = await allocate({ peers, realm: one.realm })
    const accepting = acceptNext(other, limits)
    const streams = [keep(await one.connect(other.relayed, limits)), keep(await accepting)] as const
    // not both at once: coturn 4.6 stops reading one of them when more than some 256 KiB wait in it each way
    for (const [from, to] of [streams, [streams[1], streams[0]]] as const) {
      const sent = randomBytes(8 * 1_024 ** 2)
      from.write(sent)
      expect((await readBytes(to, sent.length)).equals(sent)).toBe(true)
    }
  })

  it('carries TLS of our own, whichever end is its client', async () => {
    const identities = [identityFromSeed(randomBytes(32)), identityFromSeed(randomBytes(32))] as const
    const securers = identities.map(identity => new Securer(identity))
    const allocation = await allocate({ peers })
    for (const isOurs of [true, false]) {
      const accepting = acceptNext(allocation, limits)
      const peer = await dial(allocation.relayed.port)
      const ends = isOurs ? [await accepting, peer] : [peer, await accepting]
      const [client, server] = await Promise.all([securers[0]!.client(keep(ends[0]!), limits), securers[1]!.server(keep(ends[1]!), limits)])
      expect([client.peerId, server.peerId]).toEqual([identities[1].id, identities[0].id])
      keep(client.socket).write('through two layers')
      expect(String(await readBytes(keep(server.socket), 18))).toBe('through two layers')
    }
  })

  it('binds on a connection that was opened ahead', async () => {
    const allocation = await allocate({ peers })
    allocation.prepare()
    allocation.prepare()
    allocation.prepare()
    const accepting = acceptNext(allocation, limits)
    const peer = await dial(allocation.relayed.port)
    const stream = keep(await accepting)
    peer.write('x')
    expect(String(await readBytes(stream, 1))).toBe('x')
  })

  it('hands over a socket on which nobody listens any more', async () => {
    const allocation = await allocate({ peers })
    allocation.prepare()
    const accepting = acceptNext(allocation, limits)
    await dial(allocation.relayed.port)
    const stream = await accepting
    const listened = ['data', 'readable', 'error', 'close', 'end'].map(name => [name, stream.listenerCount(name)])
    keep(stream)
    // node:net has one of its own
    expect(listened).toEqual([['data', 0], ['readable', 0], ['error', 0], ['close', 0], ['end', 1]])
  })

  it('does not let in who has no permission, and does once he has', async () => {
    const allocation = await allocate()
    const arrivals: unknown[] = []
    allocation.arrivals$.subscribe(arrival => arrivals.push(arrival))
    const stranger = keep(connect({ host: '127.0.0.1', port: allocation.relayed.port })).resume()
    await new Promise(resolve => stranger.once('close', resolve))
    expect(arrivals).toEqual([])
    await allocation.permit(peers, limits)
    const accepting = acceptNext(allocation, limits)
    await dial(allocation.relayed.port)
    keep(await accepting)
  })

  it('says that nobody listens where it was to connect to', async () => {
    const allocation = await allocate({ peers })
    const port = await freePort()
    await expect(allocation.connect({ host: '127.0.0.1', port }, limits)).rejects.toMatchObject({ code: 'ERR_RELAY_PEER', facts: { turnCode: 447 } })
  })

  it('is given back by close, so that nobody connects any more', async () => {
    const allocation = await allocate({ peers })
    await Promise.all([allocation.close(), allocation.close()])
    expect(await allocation.closed).toBeUndefined()
    await expect(dial(allocation.relayed.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(allocation.permit(['127.0.0.9'], limits)).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it.each([
    ['password', { password: 'wrong' }],
    ['user', { username: 'mallory' }],
  ])('is told that the %s is wrong', async (_what, wrong) => {
    await expect(allocate({ server: urlOf(coturn, wrong) })).rejects.toMatchObject({ code: 'ERR_RELAY_CREDENTIALS', message: expect.not.stringContaining('wrong') as string })
  })

  it('is cancelled by its signal, and leaves nothing', async () => {
    const stop = new AbortController()
    const allocating = allocate({ signal: stop.signal })
    stop.abort()
    await expect(allocating).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })
})
