import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { allocateTcp } from '../../../../src/net/turn/allocate-tcp.js'
import type { AllocationRequest, TcpAllocation, TurnArrival } from '../../../../src/net/turn/types.js'
import { alternateServer } from '../../../../src/protocol/stun/addresses.js'
import { attribute } from '../../../../src/protocol/stun/attribute.js'
import { encodeMessage, newTransaction } from '../../../../src/protocol/stun/message.js'
import { turnMethods } from '../../../../src/protocol/turn/methods.js'
import { fakeRealm, fakeRelayed, startFakeTurn, type FakeAnswer, type FakeTurn } from '../../../support/fake-turn.js'
import { freePort } from '../../../support/free-port.js'
import { expectNoOpenSockets } from '../../../support/open-sockets.js'
import { alice, readBytes } from '../../../support/turn.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const { allocate, createPermission, refresh, connectionBind } = turnMethods
const nothing = Buffer.alloc(0)
const allocations: TcpAllocation[] = []
const servers: { close(): unknown }[] = []
const sockets: Socket[] = []
let fake: FakeTurn

afterEach(async () => {
  vi.useRealTimers()
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(allocations.splice(0).map(allocation => allocation.close()))
  await Promise.all(servers.splice(0).map(server => server.close()))
  await expectNoOpenSockets()
})

const serve = async (answer?: FakeAnswer, realm?: typeof fakeRealm): Promise<FakeTurn> => {
  fake = await startFakeTurn(answer, realm)
  servers.push(fake)
  return fake
}

const open = async (more: Partial<AllocationRequest> = {}): Promise<TcpAllocation> => {
  const allocation = await allocateTcp({ server: fake.server, ...limits, ...more })
  allocations.push(allocation)
  return allocation
}

const keep = (socket: Socket): Socket => {
  sockets.push(socket.on('error', () => {}))
  return socket
}

const seen = () => fake.requests.map(({ method, isSigned, connection, flight }) => ({ method, isSigned, connection, flight }))

/** A server that speaks no TURN. */
async function serveRaw(behaviour: (socket: Socket) => void): Promise<AllocationRequest['server']> {
  const server = createServer(socket => behaviour(socket.on('error', () => {}).resume())).listen(0, '127.0.0.1')
  servers.push({ close: () => server.close() })
  await once(server, 'listening')
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, transport: 'tcp', isTls: false, ...alice }
}

describe('an allocation', () => {
  it('is asked for, and asked again with user and permissions in one flight', async () => {
    await serve()
    const { relayed, realm } = await open({ peers: ['127.0.0.1', '127.0.0.2', '::1'] })
    expect(relayed).toEqual(fakeRelayed)
    expect(realm).toEqual(fakeRealm)
    expect(seen()).toEqual([
      { method: allocate, isSigned: false, connection: 1, flight: 1 },
      { method: allocate, isSigned: true, connection: 1, flight: 2 },
      { method: createPermission, isSigned: true, connection: 1, flight: 2 },
      { method: createPermission, isSigned: true, connection: 1, flight: 2 },
    ])
  })

  it('takes one flight where the realm is known', async () => {
    await serve()
    await open({ peers: ['127.0.0.1'], realm: fakeRealm })
    expect(seen()).toEqual([
      { method: allocate, isSigned: true, connection: 1, flight: 1 },
      { method: createPermission, isSigned: true, connection: 1, flight: 1 },
    ])
  })

  it('asks again for a permission that came to nothing because the allocation was not there yet', async () => {
    let count = 0
    await serve(({ method, error }) => (method === createPermission && ++count === 1 ? error(437) : undefined))
    const allocation = await open({ peers: ['127.0.0.1'], realm: fakeRealm })
    await allocation.permit(['127.0.0.1'], limits)
    expect(count).toBe(2)
  })

  it('speaks SHA-256 with a server that does', async () => {
    const realm = { realm: 'fake', nonce: 'obMatJos2gAAAxyz', algorithms: [2, 1] }
    await serve(undefined, realm)
    expect((await open()).realm).toEqual(realm)
    expect(fake.requests[1]?.isSigned).toBe(true)
  })

  it('is asked for once more from a fresh port where the old one has an allocation', async () => {
    await serve(({ method, connection, error }) => (method === allocate && connection === 1 ? error(437) : undefined))
    await open()
    expect(fake.requests.at(-1)?.connection).toBeGreaterThan(0)
    fake.requests.splice(0)
    await fake.close()
    servers.splice(0)
    await serve(({ error }) => error(437))
    await expect(open()).rejects.toMatchObject({ code: 'ERR_RELAY_LOST', facts: { turnCode: 437 } })
    expect(fake.requests).toHaveLength(2)
  })

  it('is asked for where the server says, once', async () => {
    const { server } = await serve()
    const other = await startFakeTurn(({ error }) => error(300, [attribute(alternateServer, { host: '127.0.0.1', port: server.port })]))
    servers.push(other)
    const allocation = await open({ server: other.server })
    expect(allocation.server).toEqual({ host: '127.0.0.1', port: server.port })
    const third = await startFakeTurn(({ error }) => error(300, [attribute(alternateServer, { host: '127.0.0.1', port: other.server.port })]))
    servers.push(third)
    await expect(open({ server: third.server })).rejects.toMatchObject({ code: 'ERR_RELAY_REFUSED', facts: { turnCode: 300 } })
  })

  it.each([
    [403, 'ERR_RELAY_REFUSED'], [441, 'ERR_RELAY_CREDENTIALS'], [442, 'ERR_RELAY_UNSUPPORTED'], [440, 'ERR_RELAY_UNSUPPORTED'],
    [486, 'ERR_RELAY_QUOTA'], [508, 'ERR_RELAY_QUOTA'], [500, 'ERR_RELAY_REFUSED'],
  ])('is refused with error %s: %s', async (number, code) => {
    await serve(({ error }) => error(number))
    await expect(open()).rejects.toMatchObject({ code, facts: { turnCode: number } })
  })

  it('names no secret in its errors', async () => {
    await serve(({ isSigned, error }) => (isSigned ? error(401) : undefined))
    const error: unknown = await open().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'ERR_RELAY_CREDENTIALS' })
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toMatch(new RegExp(`${alice.password}|${alice.username}`))
  })

  it('does not trust a success that was not signed with the password', async () => {
    await serve(({ isSigned, success }) => (isSigned ? success([], Buffer.from('other')) : undefined))
    await expect(open()).rejects.toMatchObject({ code: 'ERR_RELAY_BAD_REPLY' })
  })

  it('gives up a server that sends challenge upon challenge', async () => {
    let number = 0
    await serve(({ message, error }) => { void message; return error(438, [{ type: 0x14, encode: () => Buffer.from('fake') }, { type: 0x15, encode: () => Buffer.from(`n${++number}`) }]) })
    await expect(open()).rejects.toMatchObject({ facts: { turnCode: 438 } })
    expect(number).toBe(3)
  })

  it('is refreshed, and so are its permissions', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await serve()
    await open({ peers: ['127.0.0.1'] })
    fake.requests.splice(0)
    vi.advanceTimersByTime(240_000)
    await vi.waitFor(() => expect(fake.requests.map(({ method }) => method)).toEqual([createPermission]))
    vi.advanceTimersByTime(60_000)
    await vi.waitFor(() => expect(fake.requests.map(({ method }) => method)).toEqual([createPermission, refresh]))
  })

  it('is lost when its refresh is refused', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await serve(({ method, error }) => (method === refresh ? error(437) : undefined))
    const { closed } = await open()
    vi.advanceTimersByTime(300_000)
    expect(await closed).toMatchObject({ code: 'ERR_RELAY_LOST' })
  })

  it('closes in a second when the server says nothing any more', async () => {
    await serve(({ method }) => (method === refresh ? nothing : undefined))
    const allocation = await open()
    const waiting = allocation.connect({ host: '127.0.0.1', port: 9 }, { ...limits, timeoutMs: 10_000 })
    waiting.catch(() => {})
    const started = performance.now()
    const closing = allocation.close()
    await closing
    expect(performance.now() - started).toBeLessThan(2_500)
    expect(await allocation.closed).toBeUndefined()
  })
})

describe('a server that is none', () => {
  it.each<[string, string, (socket: Socket) => void]>([
    ['sends garbage', 'ERR_RELAY_BAD_REPLY', socket => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['sends a message too long', 'ERR_RELAY_BAD_REPLY', socket => void socket.write(Buffer.from('0101fffc', 'hex'))],
    ['sends without end', 'ERR_RELAY_BAD_REPLY', socket => flood(socket)],
    ['ends the connection', 'ERR_RELAY_LOST', socket => void socket.end()],
    ['breaks the connection', 'ERR_RELAY_LOST', socket => void socket.once('data', () => socket.resetAndDestroy())],
  ])('%s: %s', async (_what, code, behaviour) => {
    await expect(open({ server: await serveRaw(behaviour) })).rejects.toMatchObject({ code })
  })

  it('says nothing: ERR_RELAY_TIMEOUT', async () => {
    await expect(open({ server: await serveRaw(() => {}), timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_RELAY_TIMEOUT' })
  })

  it('says nothing in the TLS handshake: ERR_RELAY_TIMEOUT', async () => {
    await expect(open({ server: { ...(await serveRaw(() => {})), isTls: true }, timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_RELAY_TIMEOUT' })
  })

  it('speaks no TLS: ERR_RELAY_TLS', async () => {
    await expect(open({ server: { ...(await serveRaw(socket => void socket.write('220 smtp\r\n'))), isTls: true } })).rejects.toMatchObject({ code: 'ERR_RELAY_TLS' })
  })

  it('is not there: ERR_RELAY_UNREACHABLE', async () => {
    const server = { ...(await serveRaw(() => {})), port: await freePort() }
    await expect(open({ server })).rejects.toMatchObject({ code: 'ERR_RELAY_UNREACHABLE' })
    await expect(open({ server: { ...server, host: 'no.such.name.invalid' } })).rejects.toMatchObject({ code: expect.stringMatching(/ERR_RELAY_(UNREACHABLE|TIMEOUT)/) as string })
  })
})

describe('a peer that comes', () => {
  const collect = (allocation: TcpAllocation): TurnArrival[] => {
    const arrivals: TurnArrival[] = []
    allocation.arrivals$.subscribe(arrival => arrivals.push(arrival))
    return arrivals
  }

  it('is heard of when he has a permission, and only then', async () => {
    await serve()
    const allocation = await open({ peers: ['127.0.0.1'] })
    const arrivals = collect(allocation)
    fake.attempt(1, '127.0.0.66')
    fake.attempt(2)
    await vi.waitFor(() => expect(arrivals.map(({ peer }) => peer)).toEqual([{ host: '127.0.0.1', port: 7_002 }]))
  })

  it('is bound once; what he sent with the answer is there', async () => {
    await serve(({ method, isSigned, success }) => (method === connectionBind && isSigned ? Buffer.concat([success(), Buffer.from('behind the answer')]) : undefined))
    const allocation = await open({ peers: ['127.0.0.1'] })
    const arrivals = collect(allocation)
    fake.attempt(1)
    await vi.waitFor(() => expect(arrivals).toHaveLength(1))
    const stream = keep(await arrivals[0]!.accept(limits))
    expect(String(await readBytes(stream, 17))).toBe('behind the answer')
    await expect(arrivals[0]!.accept(limits)).rejects.toMatchObject({ code: 'ERR_RELAY_LOST' })
  })

  it('gives way to later ones when nobody takes him', async () => {
    await serve()
    const allocation = await open({ peers: ['127.0.0.1'] })
    const arrivals = collect(allocation)
    for (let id = 1; id <= 17; id++) fake.attempt(id)
    await vi.waitFor(() => expect(arrivals).toHaveLength(17))
    await expect(arrivals[0]!.accept(limits)).rejects.toMatchObject({ code: 'ERR_RELAY_LOST' })
    keep(await arrivals[16]!.accept(limits))
  })

  it.each<[string, FakeAnswer, string]>([
    ['is gone', ({ method, error }) => (method === connectionBind ? error(400) : undefined), 'ERR_RELAY_REFUSED'],
    ['is not bound in time', ({ method }) => (method === connectionBind ? nothing : undefined), 'ERR_RELAY_TIMEOUT'],
    ['is answered with garbage', ({ method }) => (method === connectionBind ? Buffer.from('no message of STUN') : undefined), 'ERR_RELAY_BAD_REPLY'],
  ])('%s', async (_what, answer, code) => {
    await serve(answer)
    const allocation = await open({ peers: ['127.0.0.1'] })
    const arrivals = collect(allocation)
    fake.attempt(1)
    await vi.waitFor(() => expect(arrivals).toHaveLength(1))
    await expect(arrivals[0]!.accept({ timeoutMs: 100, signal })).rejects.toMatchObject({ code })
  })

  it('is not waited for any more once the allocation is closed, or its owner does not want to', async () => {
    await serve(({ method }) => (method === connectionBind ? nothing : undefined))
    const allocation = await open({ peers: ['127.0.0.1'] })
    const arrivals = collect(allocation)
    fake.attempt(1)
    fake.attempt(2)
    await vi.waitFor(() => expect(arrivals).toHaveLength(2))
    const stop = new AbortController()
    const accepting = [arrivals[0]!.accept({ ...limits, signal: stop.signal }), arrivals[1]!.accept(limits)].map(one => one.catch((error: unknown) => error))
    stop.abort()
    expect(await accepting[0]).toMatchObject({ code: 'ERR_CANCELLED' })
    await allocation.close()
    expect(await accepting[1]).toMatchObject({ code: 'ERR_CANCELLED' })
  })
})

describe('connections opened ahead', () => {
  it('are two at most, and spare the next stream its handshake', async () => {
    await serve()
    const allocation = await open({ peers: ['127.0.0.1'] })
    for (let count = 0; count < 5; count++) allocation.prepare()
    await vi.waitFor(() => expect(fake.sockets.size).toBe(3))
    keep(await allocation.connect({ host: '127.0.0.1', port: 9 }, limits))
    expect(fake.sockets.size).toBe(3)
    expect(fake.requests.at(-1)).toMatchObject({ method: connectionBind, isSigned: true, flight: 1 })
  })

  it('are dropped when nobody takes them, and with the allocation', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await serve()
    const allocation = await open()
    allocation.prepare()
    await vi.waitFor(() => expect(fake.sockets.size).toBe(2))
    vi.advanceTimersByTime(45_000)
    await vi.waitFor(() => expect(fake.sockets.size).toBe(1))
    allocation.prepare()
    await vi.waitFor(() => expect(fake.sockets.size).toBe(2))
    await allocation.close()
    await vi.waitFor(() => expect(fake.sockets.size).toBe(0))
  })

  it('are done without when the server has ended them', async () => {
    await serve(({ method, connection, socket }) => {
      if (method !== connectionBind || connection !== 2) return undefined
      socket.end()
      return nothing
    })
    const allocation = await open()
    allocation.prepare()
    keep(await allocation.connect({ host: '127.0.0.1', port: 9 }, limits))
  })
})

/** Messages that nobody asked for, as fast as they are taken. */
function flood(socket: Socket): void {
  const message = encodeMessage({ class: 'success', method: allocate, transaction: newTransaction(Buffer.alloc(12)) }, [])
  const next = () => {
    while (!socket.destroyed && socket.write(message));
  }
  socket.on('drain', next)
  next()
}
