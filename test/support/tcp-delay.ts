import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** One connection that passed, by the times its pieces came in, ms. */
export interface DelayedConnection {
  readonly openedAtMs: number
  readonly up: number[]
  readonly down: number[]
}

/**
 * Passes TCP connections on to a port at 127.0.0.1 and back, each piece a little later. A connection itself is there at once: of its
 * handshake nothing is delayed. Whoever starts it closes it.
 */
export async function startTcpDelay(port: number, eachWayMs: number) {
  const sockets = new Set<Socket>()
  const timers = new Set<NodeJS.Timeout>()
  const connections: DelayedConnection[] = []
  const pass = (from: Socket, to: Socket, times: number[]) => {
    const later = (action: () => void) => {
      const timer = setTimeout(() => void (timers.delete(timer), action()), eachWayMs)
      timers.add(timer)
    }
    sockets.add(from)
    from.on('data', bytes => {
      times.push(performance.now())
      later(() => to.writable && to.write(bytes))
    })
    from.on('end', () => later(() => to.end())).on('error', () => {}).on('close', () => void sockets.delete(from))
  }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, front => {
    const back = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
    const connection: DelayedConnection = { openedAtMs: performance.now(), up: [], down: [] }
    connections.push(connection)
    pass(front, back, connection.up)
    pass(back, front, connection.down)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections: connections as readonly DelayedConnection[],
    async close() {
      timers.forEach(timer => clearTimeout(timer))
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
