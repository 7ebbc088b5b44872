import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { askDialBack } from '../../src/net/stun-dial-back.js'
import { startStunResponder } from '../../src/net/stun-responder.js'
import { connectStunTcp, type StunTcpConnection } from '../../src/net/stun-tcp-client.js'
import { openStunUdp, type StunUdpSocket } from '../../src/net/stun-udp-client.js'
import { coturnMissing, startCoturn, type Coturn } from '../support/coturn.js'
import { freePort } from '../support/free-port.js'
import { expectNoOpenSockets } from '../support/open-sockets.js'
import { describeIf } from '../support/requirements.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const open: { close(): Promise<void> }[] = []
let coturn: Coturn

afterEach(async () => {
  await Promise.all(open.splice(0).map(one => one.close()))
  await expectNoOpenSockets()
})

const udp = async (): Promise<StunUdpSocket> => {
  const socket = await openStunUdp({ host: '127.0.0.1', port: 0 })
  open.push(socket)
  return socket
}

const tcp = async (host: string, port: number, localPort: number): Promise<StunTcpConnection> => {
  const connection = await connectStunTcp({ server: { host, port }, local: { host: '127.0.0.1', port: localPort }, ...limits })
  open.push(connection)
  return connection
}

/** Both addresses with both ports. */
const servers = () => coturn.hosts.flatMap(host => [coturn.port, coturn.alternatePort].map(port => ({ host, port })))

describeIf('against coturn', coturnMissing, () => {
  beforeAll(async () => {
    coturn = await startCoturn()
  })
  afterAll(() => coturn.close())

  it('asks two addresses and two ports at once from one UDP port', async () => {
    const socket = await udp()
    const bindings = await Promise.all(servers().map(server => socket.request({ server, ...limits })))
    expect(bindings.map(({ mapped }) => mapped)).toEqual(servers().map(() => socket.local))
    expect(bindings.map(({ server }) => server)).toEqual(servers())
  })

  it('learns the other address and the origin of the reply over UDP', async () => {
    const server = { host: '127.0.0.1', port: coturn.port }
    const binding = await (await udp()).request({ server, ...limits })
    expect(binding).toMatchObject({ transport: 'udp', other: { host: '127.0.0.2', port: coturn.alternatePort }, origin: server, isClassic: false })
    expect(binding.rttMs).toBeGreaterThan(0)
  })

  it.each([[true, true], [false, true], [true, false]])('gets the reply from elsewhere: address %s, port %s', async (address, port) => {
    const server = { host: '127.0.0.1', port: coturn.port }
    const other = { host: '127.0.0.2', port: coturn.alternatePort }
    const binding = await (await udp()).request({ server, change: { address, port, other }, ...limits })
    expect(binding.origin).toEqual({ host: address ? other.host : server.host, port: port ? other.port : server.port })
  })

  it('asks two addresses and two ports at once from one TCP port', async () => {
    const localPort = await freePort()
    const connections = await Promise.all(servers().map(({ host, port }) => tcp(host, port, localPort)))
    expect(connections.map(({ binding }) => binding.mapped)).toEqual(servers().map(() => ({ host: '127.0.0.1', port: localPort })))
  })

  it('asks again over an open TCP connection', async () => {
    const connection = await tcp('127.0.0.1', coturn.port, await freePort())
    const first = connection.binding
    const second = await connection.refresh(limits)
    expect(second.mapped).toEqual(first.mapped)
    expect(connection.binding).toBe(second)
  })

  it('connects elsewhere from the port whose STUN connection stays open', async () => {
    const localPort = await freePort()
    await tcp('127.0.0.1', coturn.port, localPort)
    const again = await tcp('127.0.0.2', coturn.port, localPort)
    expect(again.local).toEqual({ host: '127.0.0.1', port: localPort })
  })

  it('is told that there is no dial-back', async () => {
    const connection = await tcp('127.0.0.1', coturn.port, await freePort())
    await expect(askDialBack(connection, { address: false, port: true }, limits)).rejects.toMatchObject({ code: 'ERR_STUN_REFUSED' })
  })

  it('connects again to the same server from the same port after a close', async () => {
    const localPort = await freePort()
    const connection = await tcp('127.0.0.1', coturn.port, localPort)
    await connection.close()
    expect((await tcp('127.0.0.1', coturn.port, localPort)).binding.mapped.port).toBe(localPort)
  })
})

describeIf('our responder', coturnMissing, () => {
  it('serves the NAT discovery of coturn', async () => {
    const responder = await startStunResponder({ alternateHost: '127.0.0.2' })
    open.push(responder)
    const args = ['-m', '-f', '-p', String(responder.port), '-L', '127.0.0.1', '127.0.0.1']
    const { stdout } = await promisify(execFile)('turnutils_natdiscovery', args, { timeout: 10_000 })
    expect(stdout).toContain('NAT with Endpoint Independent Mapping')
    expect(stdout).toContain('NAT with Endpoint Independent Filtering')
  })
})

describeIf('when coturn dies', coturnMissing, () => {
  let mortal: Coturn
  const server = () => ({ host: '127.0.0.1', port: mortal.port })
  beforeEach(async () => {
    mortal = await startCoturn({ hosts: ['127.0.0.1'] })
  })
  afterEach(() => mortal.close())

  it('tells the owner of a TCP connection, who cannot ask again', async () => {
    const connection = await connectStunTcp({ server: server(), local: { host: '127.0.0.1', port: 0 }, ...limits })
    await mortal.kill()
    await connection.closed
    await expect(connection.refresh(limits)).rejects.toMatchObject({ code: 'ERR_STUN_BAD_REPLY' })
  })

  it('times out over UDP', async () => {
    const socket = await udp()
    await mortal.kill()
    await expect(socket.request({ server: server(), timeoutMs: 50, signal })).rejects.toMatchObject({ code: 'ERR_STUN_TIMEOUT' })
  })
})
