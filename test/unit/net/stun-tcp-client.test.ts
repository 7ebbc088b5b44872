import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import { askDialBack } from '../../../src/net/stun-dial-back.js'
import { connectStunTcp, type StunTcpConnection } from '../../../src/net/stun-tcp-client.js'
import type { Endpoint } from '../../../src/protocol/endpoint.js'
import { xorMappedAddress } from '../../../src/protocol/stun/addresses.js'
import { attribute, readAttribute } from '../../../src/protocol/stun/attribute.js'
import { changeRequest } from '../../../src/protocol/stun/change-request.js'
import { bindingMethod, decodeMessage, encodeMessage } from '../../../src/protocol/stun/message.js'
import { freePort } from '../../support/free-port.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const servers: Server[] = []
const connections: StunTcpConnection[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await Promise.all(connections.splice(0).map(connection => connection.close()))
  await expectNoOpenSockets()
})

type Behaviour = (socket: Socket, request: Buffer) => void

async function serve(behaviour: Behaviour): Promise<Endpoint> {
  const server = createServer(socket => socket.on('error', () => {}).on('data', (request: Buffer) => behaviour(socket, request))).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

const reply = (request: Buffer, marks: Parameters<typeof encodeMessage>[1] = []): Buffer =>
  encodeMessage({ class: 'success', method: bindingMethod, transaction: decodeMessage(request).transaction }, [attribute(xorMappedAddress, { host: '192.0.2.1', port: 7 }), ...marks])

const open = async (server: Endpoint, rest: Partial<Parameters<typeof connectStunTcp>[0]> = {}): Promise<StunTcpConnection> => {
  const connection = await connectStunTcp({ server, local: { host: '127.0.0.1', port: 0 }, ...limits, ...rest })
  connections.push(connection)
  return connection
}

describe('a STUN connection over TCP', () => {
  it('passes on what the server claims', async () => {
    const server = await serve((socket, request) => socket.write(reply(request)))
    const { binding, local } = await open(server)
    expect(binding).toMatchObject({ transport: 'tcp', server, local, mapped: { host: '192.0.2.1', port: 7 }, isClassic: false })
  })

  it('reads a reply that comes byte by byte', async () => {
    const server = await serve((socket, request) => {
      const bytes = reply(request)
      const next = (at: number): void => void (at < bytes.length && socket.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1)))
      next(0)
    })
    expect((await open(server)).binding.mapped.port).toBe(7)
  })

  it('answers two questions that are on their way at once', async () => {
    const held: Buffer[] = []
    const server = await serve((socket, request) => {
      for (let at = 0; at < request.length; at += 20) held.push(Buffer.from(request.subarray(at, at + 20)))
      // the first at once, the next two in the wrong order
      if (held.length === 1) socket.write(reply(request))
      if (held.length === 3) socket.write(Buffer.concat(held.slice(1).reverse().map(one => reply(one))))
    })
    const connection = await open(server)
    expect(await Promise.all([connection.refresh(limits), connection.refresh(limits)])).toHaveLength(2)
  })

  it('names the server that refuses the connection', async () => {
    await expect(open({ host: '127.0.0.1', port: await freePort() })).rejects.toMatchObject({ code: 'ERR_DIAL_REFUSED' })
  })

  it('times out when nothing is answered, and leaves nothing', async () => {
    const server = await serve(() => {})
    await expect(open(server, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_STUN_TIMEOUT' })
    await expectServerFree()
  })

  it.each<[string, Behaviour]>([
    ['ends the connection', socket => socket.end()],
    ['resets the connection', socket => void socket.resetAndDestroy()],
    ['speaks something else', socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['announces a message without end', socket => socket.write(Buffer.from('0101fffc', 'hex'))],
    ['sends the request back', (socket, request) => socket.write(request)],
    ['sends what nobody asked for, without end', (socket, request) => {
      const other = Buffer.from(reply(request))
      other.fill(0, 8, 20)
      socket.write(Buffer.concat(Array.from({ length: defaults.stun.maxUnsolicited + 1 }, () => other)))
    }],
  ])('fails at once with a server that %s', async (_what, behaviour) => {
    await expect(open(await serve(behaviour))).rejects.toMatchObject({ code: 'ERR_STUN_BAD_REPLY' })
  })

  it('leaves nothing when its signal fires', async () => {
    const stop = new AbortController()
    const server = await serve(() => stop.abort())
    await expect(open(server, { signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await expectServerFree()
  })

  it('ends by FIN', async () => {
    let ended: Promise<unknown> | undefined
    const server = await serve((socket, request) => {
      ended = once(socket, 'end')
      socket.write(reply(request))
    })
    const connection = await open(server)
    await connection.close()
    await ended
    await connection.close()
  })

  it('fails what waits when it is closed', async () => {
    let count = 0
    const server = await serve((socket, request) => void (++count === 1 && socket.write(reply(request))))
    const connection = await open(server)
    const waiting = expect(connection.refresh(limits)).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await connection.close()
    await waiting
  })

  it('stays open when one question times out', async () => {
    let count = 0
    const server = await serve((socket, request) => void (++count !== 2 && socket.write(reply(request))))
    const connection = await open(server)
    await expect(connection.refresh({ timeoutMs: 20, signal })).rejects.toMatchObject({ code: 'ERR_STUN_TIMEOUT' })
    expect((await connection.refresh(limits)).mapped.port).toBe(7)
  })
})

describe('asking for a dial-back', () => {
  const change = { address: false, port: true }
  const promise: Behaviour = (socket, request) => {
    const asked = readAttribute(decodeMessage(request), changeRequest)
    socket.write(reply(request, asked === undefined ? [] : [attribute(changeRequest, asked)]))
  }

  it('tells that nothing came', async () => {
    const connection = await open(await serve(promise))
    expect(await askDialBack(connection, change, { timeoutMs: 50, signal })).toBe(false)
  })

  it('refuses to guess with a server that ignores what was asked', async () => {
    const connection = await open(await serve((socket, request) => socket.write(reply(request))))
    await expect(askDialBack(connection, change, limits)).rejects.toMatchObject({ code: 'ERR_STUN_REFUSED' })
  })

  it('refuses to guess when the server goes', async () => {
    const server = await serve((socket, request) => {
      promise(socket, request)
      if (readAttribute(decodeMessage(request), changeRequest)) socket.end()
    })
    await expect(askDialBack(await open(server), change, limits)).rejects.toMatchObject({ code: 'ERR_STUN_BAD_REPLY' })
  })

  it('gives the port back when its signal fires', async () => {
    const stop = new AbortController()
    const connection = await open(await serve(promise))
    const asking = expect(askDialBack(connection, change, { timeoutMs: 5_000, signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    stop.abort()
    await asking
  })
})

/** Only the server itself may be left. */
async function expectServerFree(): Promise<void> {
  for (const server of servers.splice(0)) server.close()
  await expectNoOpenSockets()
}
