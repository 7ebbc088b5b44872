import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openStunUdp, type StunUdpSocket } from '../../../src/net/stun-udp-client.js'
import type { Endpoint } from '../../../src/protocol/endpoint.js'
import { xorMappedAddress } from '../../../src/protocol/stun/addresses.js'
import { attribute } from '../../../src/protocol/stun/attribute.js'
import { bindingMethod, decodeMessage, encodeMessage } from '../../../src/protocol/stun/message.js'
import { freePort } from '../../support/free-port.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const servers: Socket[] = []
const clients: StunUdpSocket[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await Promise.all(clients.splice(0).map(client => client.close()))
  await vi.waitFor(() => expect(process.getActiveResourcesInfo()).not.toContain('UDPWrap'), { timeout: 5_000, interval: 5 })
})

type Behaviour = (server: Socket, request: Buffer, from: RemoteInfo) => void

async function serve(behaviour: Behaviour, host = '127.0.0.1'): Promise<Endpoint> {
  const server = createSocket('udp4')
  servers.push(server)
  server.on('message', (request, from) => behaviour(server, request, from)).bind(0, host)
  await once(server, 'listening')
  return { host, port: server.address().port }
}

const open = async (): Promise<StunUdpSocket> => {
  const client = await openStunUdp({ host: '127.0.0.1', port: 0 })
  clients.push(client)
  return client
}

const replyTo = (request: Buffer, mapped: Endpoint): Buffer =>
  encodeMessage({ class: 'success', method: bindingMethod, transaction: decodeMessage(request).transaction }, [attribute(xorMappedAddress, mapped)])

const claim = (mapped: Endpoint): Behaviour => (server, request, { address, port }) => server.send(replyTo(request, mapped), port, address)
const truth: Behaviour = (server, request, { address, port }) => server.send(replyTo(request, { host: address, port }), port, address)

describe('a STUN socket over UDP', () => {
  it('uses the port it is told', async () => {
    const port = await freePort()
    const client = await openStunUdp({ host: '127.0.0.1', port })
    clients.push(client)
    expect(client.local).toEqual({ host: '127.0.0.1', port })
    await expect(openStunUdp({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' })
  })

  it('calls an address that is not ours a missing interface', async () => {
    await expect(openStunUdp({ host: '203.0.113.77', port: 0 })).rejects.toMatchObject({ code: 'ERR_NO_INTERFACE' })
  })

  it.each(['0.0.0.0', '10.0.0.1', '2001:db8::1'])('passes on what a server claims: %s', async host => {
    const server = await serve(claim({ host, port: 9 }))
    expect((await (await open()).request({ server, ...limits })).mapped).toEqual({ host, port: 9 })
  })

  it('gives each of many requests its own reply', async () => {
    const places = await Promise.all([1, 2, 3].map(port => serve(claim({ host: '192.0.2.1', port }))))
    const client = await open()
    const requests = places.flatMap(server => [server, server, server])
    const bindings = await Promise.all(requests.map(server => client.request({ server, timeoutMs: 5_000, signal })))
    expect(bindings.map(({ mapped }) => mapped.port)).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3])
  })

  it('repeats a request that was lost', async () => {
    let count = 0
    const server = await serve((socket, request, from) => void (++count > 1 && truth(socket, request, from)))
    const binding = await (await open()).request({ server, ...limits })
    expect(count).toBe(2)
    // from the first time it was sent
    expect(binding.rttMs).toBeGreaterThan(450)
  })

  it('ends at its time-out whatever the repetitions', async () => {
    const server = await serve(() => {})
    const client = await open()
    await expect(client.request({ server, timeoutMs: 20, signal })).rejects.toMatchObject({ code: 'ERR_STUN_TIMEOUT', facts: { server: `127.0.0.1:${server.port}` } })
  })

  it('hears nobody but the server it asked, and counts the others', async () => {
    const client = await open()
    const spoofer = createSocket('udp4').bind(0, '127.0.0.1')
    servers.push(spoofer)
    const server = await serve((socket, request, from) => {
      spoofer.send(replyTo(request, { host: '192.0.2.66', port: 66 }), from.port, from.address, () => {
        spoofer.send('no STUN at all', from.port, from.address, () => truth(socket, request, from))
      })
    })
    expect((await client.request({ server, ...limits })).mapped).toEqual(client.local)
    expect(client.ignored).toBe(2)
  })

  it('ignores replies without end', async () => {
    const client = await open()
    const server = await serve((socket, request, { address, port }) => {
      for (let sent = 0; sent < 50; sent++) socket.send(replyTo(request, { host: address, port }), port, address)
    })
    await client.request({ server, ...limits })
    await vi.waitFor(() => expect(client.ignored).toBe(49), { timeout: 5_000 })
  })

  it.each([
    ['malformed', (request: Buffer) => replyTo(request, { host: '192.0.2.1', port: 1 }).subarray(0, 30)],
    ['an echo of the request', (request: Buffer) => request],
  ])('fails at once with a reply that is %s', async (_what, answer) => {
    const server = await serve((socket, request, { address, port }) => socket.send(answer(request), port, address))
    await expect((await open()).request({ server, ...limits })).rejects.toMatchObject({ code: 'ERR_STUN_BAD_REPLY' })
  })

  it('notices a server that does not change where it replies from', async () => {
    const server = await serve(truth)
    const change = { address: true, port: true, other: { host: '127.0.0.2', port: 9 } }
    await expect((await open()).request({ server, change, ...limits })).rejects.toMatchObject({ code: 'ERR_STUN_BAD_REPLY' })
  })

  it('survives a port nobody listens on', async () => {
    const client = await open()
    const nobody = { host: '127.0.0.1', port: await freePort() }
    const server = await serve(truth)
    await expect(client.request({ server: nobody, timeoutMs: 50, signal })).rejects.toMatchObject({ code: 'ERR_STUN_TIMEOUT' })
    expect((await client.request({ server, ...limits })).mapped).toEqual(client.local)
  })

  it('says when there is no way to a server', async () => {
    const client = await open()
    // from a loopback address nothing leaves this machine
    await expect(client.request({ server: { host: '192.0.2.1', port: 9 }, ...limits })).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_DIAL_/) })
    await expect(client.request({ server: { host: '::1', port: 9 }, ...limits })).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_DIAL_/) })
  })

  it('does not ask when its signal has fired', async () => {
    const client = await open()
    await expect(client.request({ server: client.local, timeoutMs: 5_000, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('stops asking when its signal fires', async () => {
    const stop = new AbortController()
    const server = await serve(() => stop.abort())
    await expect((await open()).request({ server, timeoutMs: 5_000, signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('fails what waits when it closes, and what comes later', async () => {
    const client = await open()
    const server = await serve(() => {})
    const waiting = expect(client.request({ server, ...limits })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await client.close()
    await waiting
    await expect(client.request({ server, ...limits })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await client.close()
  })
})
