import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { defaults } from '../../src/config/defaults.js'
import type { Endpoint } from '../../src/protocol/endpoint.js'
import { encodeBindingRequest } from '../../src/protocol/stun/binding-exchange.js'
import { randomTransaction } from '../../src/net/stun-binding.js'
import { askDialBack } from '../../src/net/stun-dial-back.js'
import { startStunResponder, type StunResponder, type StunResponderOptions } from '../../src/net/stun-responder.js'
import { connectStunTcp, type StunTcpConnection } from '../../src/net/stun-tcp-client.js'
import { openStunUdp, type StunUdpSocket } from '../../src/net/stun-udp-client.js'
import { freePort } from '../support/free-port.js'
import { expectNoOpenSockets } from '../support/open-sockets.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map(one => one.close()))
  await expectNoOpenSockets()
})

const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  open.push(one)
  return one
}
const start = async (options: StunResponderOptions = {}): Promise<StunResponder> => keep(await startStunResponder(options))
const startFull = () => start({ alternateHost: '127.0.0.2' })
const udp = async (host = '127.0.0.1'): Promise<StunUdpSocket> => keep(await openStunUdp({ host, port: 0 }))
const tcp = async (server: Endpoint, host = '127.0.0.1'): Promise<StunTcpConnection> => keep(await connectStunTcp({ server, local: { host, port: 0 }, ...limits }))

describe('the STUN responder over UDP', () => {
  it('answers on both ports of both addresses', async () => {
    const { port, alternatePort } = await startFull()
    const socket = await udp()
    for (const server of ['127.0.0.1', '127.0.0.2'].flatMap(host => [{ host, port }, { host, port: alternatePort }])) {
      const other = { host: server.host === '127.0.0.1' ? '127.0.0.2' : '127.0.0.1', port: server.port === port ? alternatePort : port }
      expect(await socket.request({ server, ...limits })).toMatchObject({ mapped: socket.local, origin: server, other, isClassic: false })
    }
  })

  it.each([[true, true], [false, true], [true, false]])('replies from elsewhere: address %s, port %s', async (address, port) => {
    const responder = await startFull()
    const server = { host: '127.0.0.1', port: responder.port }
    const other = { host: '127.0.0.2', port: responder.alternatePort }
    const binding = await (await udp()).request({ server, change: { address, port, other }, ...limits })
    expect(binding.origin).toEqual({ host: address ? other.host : server.host, port: port ? other.port : server.port })
  })

  it('changes its port, not its address, when it has only one', async () => {
    const { port, alternatePort } = await start()
    const socket = await udp()
    const request = { server: { host: '127.0.0.1', port }, ...limits }
    const other = { host: '127.0.0.1', port: alternatePort }
    const binding = await socket.request({ ...request, change: { address: false, port: true, other } })
    expect(binding).toMatchObject({ mapped: socket.local, origin: other })
    expect(binding.other).toBeUndefined()
    await expect(socket.request({ ...request, change: { address: true, port: false, other } })).rejects.toMatchObject({ code: 'ERR_STUN_REFUSED', facts: { stunCode: 420 } })
  })

  it('answers over IPv6', async () => {
    const { port } = await start({ host: '::1' })
    const socket = await udp('::1')
    expect((await socket.request({ server: { host: '0:0:0:0:0:0:0:1', port }, ...limits })).mapped).toEqual(socket.local)
  })

  it('answers both families behind a wildcard, and claims no origin', async () => {
    const { port } = await start({ host: '::' })
    const socket = await udp()
    const binding = await socket.request({ server: { host: '127.0.0.1', port }, ...limits })
    expect(binding.mapped).toEqual(socket.local)
    expect(binding.origin).toBeUndefined()
  })

  it('answers no more than its rate to one source', async () => {
    const { port } = await start()
    const { requestsPerSourcePerSecond } = defaults.stun.responder
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    let answers = 0
    socket.on('message', () => (answers += 1))
    for (let sent = 0; sent < 3 * requestsPerSourcePerSecond; sent++) socket.send(encodeBindingRequest(randomTransaction()), port, '127.0.0.1')
    // the other address has a share of its own; its answer comes behind all others
    await (await udp('127.0.0.3')).request({ server: { host: '127.0.0.1', port }, ...limits })
    socket.close()
    // the requests may lie in two seconds
    expect(answers).toBeGreaterThan(0)
    expect(answers).toBeLessThanOrEqual(2 * requestsPerSourcePerSecond)
  })
})

describe('the STUN responder over TCP', () => {
  it('answers, and again on the same connection', async () => {
    const responder = await startFull()
    const server = { host: '127.0.0.1', port: responder.port }
    const connection = await tcp(server)
    expect(connection.binding).toMatchObject({ transport: 'tcp', mapped: connection.local, origin: server, other: { host: '127.0.0.2', port: responder.alternatePort } })
    expect((await connection.refresh(limits)).mapped).toEqual(connection.local)
    expect(responder.connections).toBe(1)
  })

  it.each([[true, true], [false, true], [true, false]])('dials back to who asked: address %s, port %s', async (address, port) => {
    const { port: serverPort } = await startFull()
    const connection = await tcp({ host: '127.0.0.1', port: serverPort })
    expect(await askDialBack(connection, { address, port }, limits)).toBe(true)
  })

  it('dials back over IPv6', async () => {
    const { port } = await start({ host: '::1' })
    const connection = await tcp({ host: '::1', port }, '::1')
    expect(await askDialBack(connection, { address: false, port: true }, limits)).toBe(true)
  })

  it('dials back behind a wildcard from the address that was asked', async () => {
    const { port } = await start({ host: '0.0.0.0' })
    const connection = await tcp({ host: '127.0.0.5', port })
    expect(await askDialBack(connection, { address: false, port: true }, limits)).toBe(true)
  })

  it('ends the dial-back by itself', async () => {
    const { port } = await start()
    const connection = await tcp({ host: '127.0.0.1', port })
    const server = createServer().listen(connection.local.port, '127.0.0.1')
    await once(server, 'listening')
    const accepted = once(server, 'connection')
    await connection.refresh({ ...limits, change: { address: false, port: true } })
    const [socket] = await accepted
    expect([socket.remoteAddress, socket.remotePort]).not.toContain(port)
    await once(socket.resume(), 'end')
    server.close()
  })

  it('has no other address to dial back from when it has only one', async () => {
    const { port } = await start()
    const connection = await tcp({ host: '127.0.0.1', port })
    await expect(askDialBack(connection, { address: true, port: false }, limits)).rejects.toMatchObject({ code: 'ERR_STUN_REFUSED' })
  })

  it('refuses more dial-backs than it makes at once', async () => {
    const { port } = await start()
    const connection = await tcp({ host: '127.0.0.1', port })
    const change = { address: false, port: true }
    const ask = () => connection.refresh({ timeoutMs: 5_000, signal: new AbortController().signal, change })
    const outcomes = await Promise.allSettled(Array.from({ length: defaults.stun.responder.maxDialBacks + 8 }, ask))
    const refused = outcomes.filter(outcome => outcome.status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.map(({ reason }) => reason)).toEqual(refused.map(() => expect.objectContaining({ code: 'ERR_STUN_REFUSED', facts: expect.objectContaining({ stunCode: 500 }) })))
  })

  it('drops a connection that speaks something else', async () => {
    const { port } = await start()
    const socket = connect(port, '127.0.0.1').on('error', () => {}).resume()
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'close')
  })

  it('drops a connection that asks above the rate', async () => {
    const { port } = await start()
    const socket = connect(port, '127.0.0.1').on('error', () => {}).resume()
    const { requestsPerSourcePerSecond } = defaults.stun.responder
    socket.write(Buffer.concat(Array.from({ length: 2 * requestsPerSourcePerSecond + 1 }, () => encodeBindingRequest(randomTransaction()))))
    await once(socket, 'close')
  })

  it('takes so many connections of one source, and no more', async () => {
    const responder = await start()
    const { maxConnectionsPerSource } = defaults.stun.responder
    const sockets = Array.from({ length: maxConnectionsPerSource + 10 }, () => connect(responder.port, '127.0.0.1').on('error', () => {}).resume())
    await vi.waitFor(() => expect(sockets.filter(socket => socket.closed || socket.readableEnded)).toHaveLength(10), { timeout: 5_000 })
    expect(responder.connections).toBe(maxConnectionsPerSource)
    for (const socket of sockets) socket.destroy()
  })
})

describe('starting and closing the STUN responder', () => {
  it('names the port that is taken, and leaves nothing open', async () => {
    const { port } = await start()
    const free = await freePort()
    await expect(startStunResponder({ port: free, alternatePort: port })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' })
    await start({ port: free })
  })

  it('names the UDP port that is taken', async () => {
    const socket = await udp()
    await expect(startStunResponder({ port: socket.local.port })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE', message: expect.stringContaining('UDP') })
  })

  it('does not begin when its signal has fired', async () => {
    await expect(startStunResponder({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('closes with connections and dial-backs open when its signal fires', async () => {
    const stop = new AbortController()
    const { port } = await startStunResponder({ signal: stop.signal })
    const connection = await tcp({ host: '127.0.0.1', port })
    expect(await askDialBack(connection, { address: false, port: true }, limits)).toBe(true)
    stop.abort()
    await connection.closed
  })
})
