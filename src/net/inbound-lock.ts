import { unlinkSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { ThroughlineError } from '../errors/index.js'
import { userTempFolder } from './machine-secret.js'
import { errnoOf } from './socket-errors.js'

/** The right to receive for an identity on this machine. */
export interface InboundLock {
  release(): Promise<void>
}

/**
 * Takes the inbound role of an identity: a local socket named after the id, which the kernel closes when the process
 * dies however it dies. Rejects with ERR_IDENTITY_IN_USE when a living process holds it.
 */
export async function takeInboundLock(id: string): Promise<InboundLock> {
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\throughline-${id}` : join(userTempFolder(), `${id.slice(0, 32)}.lock`)
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const server = await tryListen(path)
    if (server !== undefined) return { release: () => new Promise(resolve => server.close(() => resolve())) }
    if (await isAlive(path)) break
    removeStale(path)
  }
  throw new ThroughlineError('ERR_IDENTITY_IN_USE', `another process on this machine already receives for ${id}`, { facts: { id } })
}

/** A stale socket file is removed once; twice in a row means that another process races us for it. */
const maxAttempts = 3

function tryListen(path: string): Promise<Server | undefined> {
  const server = createServer(socket => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', error => (errnoOf(error) === 'EADDRINUSE' ? resolve(undefined) : reject(lockFailed(path, error))))
    server.listen({ path }, () => resolve(server.unref()))
  })
}

function isAlive(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function removeStale(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // another process removed it first
  }
}

const lockFailed = (path: string, cause: unknown) =>
  new ThroughlineError('ERR_IDENTITY_UNREADABLE', `the lock of the identity cannot be made at ${path}: ${errnoOf(cause)}`, { cause, facts: { path } })
