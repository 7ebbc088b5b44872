import { createServer, type Server, type Socket } from 'node:net'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { errnoOf } from './socket-errors.js'

/** A listening port, the same number on every address. */
export interface Listener {
  readonly port: number
  /** Stops accepting; sockets handed out stay. */
  close(): Promise<void>
}

/** Where to listen. `hosts` undefined: every address of both families. `port` 0: any free one. */
export interface ListenRequest {
  readonly hosts?: readonly string[]
  readonly port: number
  readonly onSocket: (socket: Socket) => void
}

/** Opens the listening port. The handler owns each socket. Rejects with ERR_PORT_IN_USE, ERR_NO_INTERFACE or ERR_LISTEN. */
export async function listen({ hosts, port, onSocket }: ListenRequest): Promise<Listener> {
  const addresses = hosts ?? [await dualStackHost()]
  for (let tries = 1; ; tries++) {
    try {
      return await openAll(addresses, port, onSocket)
    } catch (error) {
      const mayDrawAgain = port === 0 && errnoOf(error) === 'EADDRINUSE' && tries < maxDraws
      if (!mayDrawAgain) throw toListenError(error, port)
    }
  }
}

/** A port that is free on the first address may be taken on the next one; then another is drawn. */
const maxDraws = 5

/** Rejects with the platform's error; nothing listens then. */
async function openAll(hosts: readonly string[], port: number, onSocket: ListenRequest['onSocket']): Promise<Listener> {
  const servers: Server[] = []
  // the callback of server.close waits for sockets that are not ours any more; the port is free at once
  const close = async () => servers.forEach(server => server.close())
  try {
    let chosen = port
    for (const host of hosts) {
      const server = await openServer(host, chosen, onSocket)
      servers.push(server)
      chosen = portOf(server)
    }
    return { port: chosen, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** `::` takes IPv4 too; a kernel without IPv6 refuses it. */
async function dualStackHost(): Promise<string> {
  const probe = createServer()
  return new Promise(resolve => {
    probe.once('error', () => resolve('0.0.0.0'))
    probe.listen({ host: '::', port: 0 }, () => probe.close(() => resolve('::')))
  })
}

function openServer(host: string, port: number, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: defaults.listen.backlog, ipv6Only: host !== '::' && host.includes(':') }, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve(server)
    })
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function toListenError(error: unknown, port: number): ThroughlineError {
  const errno = errnoOf(error)
  if (errno === 'EADDRINUSE') return new ThroughlineError('ERR_PORT_IN_USE', `port ${port} is taken by another process`, { cause: error, facts: { port } })
  if (errno === 'EADDRNOTAVAIL') return new ThroughlineError('ERR_NO_INTERFACE', 'an address to listen on is gone', { cause: error })
  return new ThroughlineError('ERR_LISTEN', `cannot listen on port ${port}: ${errno || String(error)}`, { cause: error, facts: { port } })
}
