import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { dialSocket, type DialRequest } from '../../../src/net/dial-socket.js'
import { toDialError } from '../../../src/net/socket-errors.js'
import { freePort } from '../../support/free-port.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await expectNoOpenSockets()
})

async function startServer(): Promise<number> {
  const server = createServer(socket => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const dial = (port: number, rest: Partial<DialRequest> = {}) =>
  dialSocket({ remote: { host: '127.0.0.1', port }, timeoutMs: 5_000, signal: new AbortController().signal, ...rest })

describe('dialSocket', () => {
  it('hands over a connected socket without listeners of its own', async () => {
    const socket = await dial(await startServer())
    expect([socket.listenerCount('connect'), socket.listenerCount('error'), socket.allowHalfOpen]).toEqual([0, 0, true])
    socket.destroy()
  })

  it('comes from the address and port it is told', async () => {
    const localPort = await freePort()
    const socket = await dial(await startServer(), { localAddress: '127.0.0.1', localPort })
    expect(socket.localPort).toBe(localPort)
    socket.destroy()
  })

  it('names the endpoint that refused', async () => {
    const port = await freePort()
    await expect(dial(port)).rejects.toMatchObject({ code: 'ERR_DIAL_REFUSED', message: `127.0.0.1:${port}: ECONNREFUSED`, facts: { remote: `127.0.0.1:${port}` } })
  })

  it('does not begin when its signal has fired', async () => {
    await expect(dial(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('leaves nothing when its signal fires', async () => {
    const stop = new AbortController()
    const dialling = dial(await startServer(), { signal: stop.signal })
    stop.abort()
    await expect(dialling).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('leaves the socket alone once it is handed over', async () => {
    const stop = new AbortController()
    const socket = await dial(await startServer(), { signal: stop.signal })
    stop.abort()
    expect(socket.destroyed).toBe(false)
    socket.destroy()
  })

  it('refuses a connection to itself', async () => {
    const port = await freePort()
    await expect(dial(port, { localAddress: '127.0.0.1', localPort: port })).rejects.toMatchObject({ code: 'ERR_DIAL_SELF' })
  })

  it('calls an address that is not ours a local fault', async () => {
    await expect(dial(await startServer(), { localAddress: '203.0.113.77' })).rejects.toMatchObject({ code: 'ERR_DIAL_LOCAL' })
  })
})

describe('toDialError', () => {
  it.each([
    ['ECONNREFUSED', 'ERR_DIAL_REFUSED'], ['ECONNRESET', 'ERR_DIAL_REFUSED'], ['EHOSTUNREACH', 'ERR_DIAL_UNREACHABLE'], ['ENETUNREACH', 'ERR_DIAL_UNREACHABLE'],
    ['ETIMEDOUT', 'ERR_DIAL_TIMEOUT'], ['EADDRNOTAVAIL', 'ERR_DIAL_LOCAL'], ['EMFILE', 'ERR_DIAL_LOCAL'], ['EPERM', 'ERR_DIAL_LOCAL'], ['EWHATEVER', 'ERR_DIAL_UNREACHABLE'],
  ])('makes %s %s', (errno, code) => {
    expect(toDialError(Object.assign(new Error('x'), { code: errno }), '1.2.3.4:5')).toMatchObject({ code, message: `1.2.3.4:5: ${errno}` })
  })

  it('keeps what is no system error as cause', () => {
    expect(toDialError('odd', '1.2.3.4:5')).toMatchObject({ code: 'ERR_DIAL_UNREACHABLE', message: '1.2.3.4:5: odd', cause: 'odd' })
  })
})
