import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

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

/** A folder of this user alone below the system's temp folder, made on first use with mode 0700. */
export function userTempFolder(): string {
  const folder = join(tmpdir(), `throughline-${userInfo().uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  return folder
}

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
