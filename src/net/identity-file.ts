import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { ThroughlineError } from '../errors/index.js'
import { identityFromPem, identityFromSeed, identityToPem, type Identity } from '../protocol/identity.js'
import { errnoOf } from './socket-errors.js'

/** Where the key is when nobody names another file: `$XDG_CONFIG_HOME/throughline/identity.pem`. */
export function defaultIdentityPath(): string {
  return join(process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'throughline', 'identity.pem')
}

/**
 * Reads the key file, or makes it (0600, folder 0700) when there is none. Rejects with ERR_IDENTITY_UNREADABLE,
 * ERR_IDENTITY_PERMISSIONS or ERR_IDENTITY_INVALID; each names the path.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  return (await readIdentity(path)) ?? (await createIdentityFile(path))
}

async function readIdentity(path: string): Promise<Identity | undefined> {
  let pem: string
  try {
    const { mode } = await stat(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new ThroughlineError('ERR_IDENTITY_PERMISSIONS', `${path} can be read or written by others (mode ${(mode & 0o777).toString(8)})`, { facts: { path } })
    }
    pem = await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    if (ThroughlineError.is(error)) throw error
    throw unreadable(path, error)
  }
  try {
    return identityFromPem(pem)
  } catch (error) {
    throw new ThroughlineError('ERR_IDENTITY_INVALID', `${path} holds no Ed25519 private key in PEM form`, { cause: error, facts: { path } })
  }
}

/** Written whole under another name first: two processes starting at once end with the same key. */
async function createIdentityFile(path: string): Promise<Identity> {
  const identity = identityFromSeed(randomBytes(32))
  const fresh = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await placeFile(fresh, identityToPem(identity), path)
    return identity
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw unreadable(path, error)
    const theirs = await readIdentity(path)
    if (theirs === undefined) throw unreadable(path, error)
    return theirs
  }
}

/** Rejects with EEXIST when `path` is there already; `fresh` is gone in any case. */
async function placeFile(fresh: string, text: string, path: string): Promise<void> {
  try {
    await writeFile(fresh, text, { mode: 0o600, flag: 'wx' })
    await link(fresh, path)
  } finally {
    await unlink(fresh).catch(() => {})
  }
}

const unreadable = (path: string, cause: unknown) =>
  new ThroughlineError('ERR_IDENTITY_UNREADABLE', `${path}: ${errnoOf(cause) || String(cause)}`, { cause, facts: { path } })
