import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { connectFrom, listenOn } from '../../../../src/net/punch/punch-ports.js'
import { freePort } from '../../../support/free-port.js'
import { expectNoOpenSockets } from '../../../support/open-sockets.js'

const host = '127.0.0.2'
const ends: (() => void)[] = []
const sockets: Socket[] = []
const servers: Server[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) end()
  for (const server of servers.splice(0)) server.close()
  for (const socket of sockets.splice(0)) socket.destroy()
  await expectNoOpenSockets()
})

const keep = (socket: Socket): Socket => {
  sockets.push(socket.on('error', () => {}).resume())
  return socket
}

async function serve(at: string): Promise<number> {
  const server = createServer(keep).listen(0, at)
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as { readonly port: number }).port
}

/** Listens for one peer; counts who came. */
function welcome(port: number, remoteHost: string): Socket[] {
  const came: Socket[] = []
  ends.push(listenOn({ local: { host, port }, remoteHost, onSocket: socket => came.push(keep(socket)) }))
  return came
}

const dial = (port: number, from: string): Socket => keep(connect({ host, port, localAddress: from }))

/** Once somebody listens. */
async function arrive(port: number, from: string, came: readonly Socket[]): Promise<void> {
  await expect.poll(async () => {
    if (came.length === 0) await once(dial(port, from), 'connect').catch(() => {})
    return came.length
  }).toBeGreaterThan(0)
}

describe('a port to punch from', () => {
  it('listens and goes on to connect elsewhere, in one turn and later', async () => {
    const [port, one, other] = [await freePort(), await serve('127.0.0.5'), await serve('127.0.0.6')]
    const came = welcome(port, '127.0.0.3')
    const first = keep(connectFrom({ host, port }, { host: '127.0.0.5', port: one }))
    await once(first, 'connect')
    await arrive(port, '127.0.0.3', came)
    const later = keep(connectFrom({ host, port }, { host: '127.0.0.6', port: other }))
    await once(later, 'connect')
    expect([first.localPort, later.localPort]).toEqual([port, port])
    came.length = 0
    await arrive(port, '127.0.0.3', came)
  })

  it('leads each peer to whom it is welcome', async () => {
    const port = await freePort()
    const [one, other] = [welcome(port, '127.0.0.3'), welcome(port, '127.0.0.4')]
    await arrive(port, '127.0.0.4', other)
    expect(one).toEqual([])
    await arrive(port, '127.0.0.3', one)
  })

  it('listens as long as anybody is welcome', async () => {
    const port = await freePort()
    welcome(port, '127.0.0.3')
    const came = welcome(port, '127.0.0.4')
    ends.shift()?.()
    await arrive(port, '127.0.0.4', came)
    ends.shift()?.()
    await expect(once(dial(port, '127.0.0.4'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('drops others at once', async () => {
    const port = await freePort()
    const came = welcome(port, '127.0.0.3')
    await arrive(port, '127.0.0.3', came)
    const stranger = dial(port, '127.0.0.9')
    await once(stranger, 'close')
    expect(came).toHaveLength(1)
  })

  it('knows a peer by IPv6 however its address is written', async () => {
    const port = await freePort()
    const came: Socket[] = []
    ends.push(listenOn({ local: { host: '::1', port }, remoteHost: '0:0:0:0:0:0:0:1%lo', onSocket: socket => came.push(keep(socket)) }))
    await expect.poll(async () => {
      if (came.length === 0) await once(keep(connect({ host: '::1', port })), 'connect').catch(() => {})
      return came.length
    }).toBe(1)
  })

  it('stays silent where another listens', async () => {
    const port = await serve(host)
    const came = welcome(port, '127.0.0.3')
    await once(dial(port, '127.0.0.3'), 'connect')
    expect(came).toEqual([])
    await expect(once(connectFrom({ host, port }, { host: '127.0.0.5', port: 9 }), 'connect')).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
