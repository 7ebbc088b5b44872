import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { ThroughlineError } from '../errors/index.js'
import { errnoOf } from './socket-errors.js'

/**
 * What all processes of this machine and network namespace share and no one else knows (protocol 1): on Linux boot id
 * and namespace, elsewhere a random 0600 file in the user's temp folder.
 */
export function machineSecret(): Uint8Array {
  if (process.platform === 'linux') {
    try {
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
      return Buffer.from(`${bootId}:${statSync('/proc/self/ns/net').ino}`)
    } catch {
      // a sandbox may hide /proc: fall through to the file
    }
  }
  return fileSecret(join(userTempFolder(), 'machine-secret'))
}

/**
 * A folder of this user alone below the system's temp folder, made on first use with mode 0700. Throws
 * ERR_IDENTITY_UNREADABLE when it cannot be made, or when somebody else made it: in a shared temp folder anybody may.
 */
export function userTempFolder(): string {
  // a user id without an entry in the user database (containers) makes userInfo() throw: asked only where there is no getuid
  const uid = process.getuid?.()
  const folder = join(tmpdir(), `throughline-${uid ?? userInfo().username}`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const found = lstatSync(folder)
    if (!found.isDirectory() || (uid !== undefined && found.uid !== uid)) throw unusable(folder, 'it belongs to somebody else')
    if (uid !== undefined && (found.mode & 0o777) !== 0o700) chmodSync(folder, 0o700)
    return folder
  } catch (error) {
    throw ThroughlineError.is(error) ? error : unusable(folder, errnoOf(error) || String(error), error)
  }
}

const unusable = (folder: string, why: string, cause?: unknown) =>
  new ThroughlineError('ERR_IDENTITY_UNREADABLE', `the folder ${folder} cannot be used: ${why}`, { facts: { path: folder }, ...(cause !== undefined && { cause }) })

/** Written whole before it gets its name, so that two processes starting at once agree. */
function fileSecret(path: string): Uint8Array {
  const fresh = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(fresh, randomBytes(32), { mode: 0o600 })
  try {
    linkSync(fresh, path)
  } catch {
    // another process was first: its secret counts
  }
  unlinkSync(fresh)
  return readFileSync(path)
}
