import { randomBytes } from 'node:crypto'
import { link, rename, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { ThroughlineError } from '../errors/index.js'
import { userTempFolder } from './machine-secret.js'
import { errnoOf } from './socket-errors.js'

/** The right to receive for an identity on this machine. */
export interface InboundLock {
  /** Gives it back; resolves when another process may take it. Never rejects. */
  release(): Promise<void>
}

/**
 * Takes the inbound role of an identity: a local socket named after the id, which the kernel closes when the process
 * dies however it dies. Rejects with ERR_IDENTITY_IN_USE when a living process holds it, with ERR_IDENTITY_UNREADABLE
 * when the socket cannot be made.
 */
export async function takeInboundLock(id: string): Promise<InboundLock> {
  return process.platform === 'win32' ? takePipe(id) : takeSocket(id, join(userTempFolder(), `${id.slice(0, idCharacters)}.lock`))
}

/** 160 bits of the id: the path of a local socket has at most 108 bytes (macOS: 104). */
const idCharacters = 32

/** A named pipe of Windows goes with its process, and only one can have the name. */
async function takePipe(id: string): Promise<InboundLock> {
  const path = `\\\\.\\pipe\\throughline-${id}`
  try {
    const server = await serve(path)
    return { release: () => closed(server) }
  } catch (error) {
    throw errnoOf(error) === 'EADDRINUSE' ? inUse(id) : lockFailed(path, error)
  }
}

/**
 * The socket listens under a name of its own before it is linked to the name of the lock, so what that name leads to is
 * alive or was left by a process that died. Who finds it dead replaces it under a second lock made the same way: of
 * several processes one does.
 */
async function takeSocket(id: string, path: string): Promise<InboundLock> {
  const fresh = `${path}.${randomBytes(3).toString('hex')}`
  let server: Server | undefined
  try {
    server = await serve(fresh)
    const isTaken = (await tryLink(fresh, path)) || (await replaceDead(fresh, path))
    if (!isTaken) throw inUse(id)
    const held = server
    return { release: () => unlink(path).catch(() => {}).then(() => closed(held)) }
  } catch (error) {
    if (server !== undefined) await closed(server)
    throw ThroughlineError.is(error) ? error : lockFailed(path, error)
  } finally {
    await unlink(fresh).catch(() => {})
  }
}

/** False when the lock, or the right to replace it, belongs to a living process. */
async function replaceDead(fresh: string, path: string): Promise<boolean> {
  const turn = `${path}.turn`
  // a process that died in its turn, a matter of milliseconds, left it behind
  if ((await stateOf(turn)) === 'dead') await unlink(turn).catch(() => {})
  if (!(await tryLink(fresh, turn))) return false
  try {
    const state = await stateOf(path)
    if (state === 'alive') return false
    if (state === 'gone') return await tryLink(fresh, path)
    await rename(turn, path)
    return await isSame(fresh, path)
  } finally {
    await unlink(turn).catch(() => {})
  }
}

/** False when something has the name already. */
async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([stat(one), stat(other)])
  return first.ino === second.ino && first.dev === second.dev
}

/** Rejects with the platform's error. Does not keep the process alive. */
function serve(path: string): Promise<Server> {
  const server = createServer(socket => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path }, () => resolve(server.off('error', reject).unref()))
  })
}

const closed = (server: Server): Promise<void> => new Promise(resolve => server.close(() => resolve()))

/** Whether somebody listens on a local socket. A full queue (EAGAIN) is a sign of life too. */
function stateOf(path: string): Promise<'alive' | 'dead' | 'gone'> {
  return new Promise(resolve => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve('alive')
    })
    socket.once('error', error => resolve(states[errnoOf(error)] ?? 'alive'))
  })
}

const states: Readonly<Record<string, 'dead' | 'gone'>> = { ECONNREFUSED: 'dead', ENOENT: 'gone' }

const inUse = (id: string) => new ThroughlineError('ERR_IDENTITY_IN_USE', `another process on this machine already receives for ${id}`, { facts: { id } })

const lockFailed = (path: string, cause: unknown) =>
  new ThroughlineError('ERR_IDENTITY_UNREADABLE', `the lock of the identity cannot be made at ${path}: ${errnoOf(cause) || String(cause)}`, { cause, facts: { path } })
