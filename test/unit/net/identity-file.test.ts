import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ThroughlineError } from '../../../src/errors/index.js'
import { defaultIdentityPath, loadIdentity } from '../../../src/net/identity-file.js'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'identity-'))
  path = join(folder, 'keys', 'identity.pem')
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8)

describe('an identity file', () => {
  it('is made for its owner alone, in a folder for its owner alone', async () => {
    await loadIdentity(path)
    expect([modeOf(path), modeOf(join(folder, 'keys'))]).toEqual(['600', '700'])
  })

  it('stands for the same id the next time', async () => {
    const { id } = await loadIdentity(path)
    expect((await loadIdentity(path)).id).toBe(id)
  })

  it('is the same for all who make it at once, and nothing else stays behind', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, async () => (await loadIdentity(path)).id))
    expect(new Set(ids).size).toBe(1)
    expect(readdirSync(join(folder, 'keys'))).toEqual(['identity.pem'])
  })

  it.each([0o644, 0o640, 0o604, 0o666])('is refused with mode %o, and left as it is', async mode => {
    await loadIdentity(path)
    chmodSync(path, mode)
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'ERR_IDENTITY_PERMISSIONS', message: expect.stringContaining(path) })
    expect(modeOf(path)).toBe(mode.toString(8))
  })

  it.each([
    ['garbage', 'no key at all'], ['nothing', ''],
    ['a truncated key', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n'],
  ])('that holds %s is refused, and left as it is', async (_, text) => {
    mkdirSync(join(folder, 'keys'))
    writeFileSync(path, text, { mode: 0o600 })
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'ERR_IDENTITY_INVALID', message: expect.stringContaining(path) })
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('never has its contents in an error', async () => {
    mkdirSync(join(folder, 'keys'))
    writeFileSync(path, '-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n', { mode: 0o600 })
    const { message, facts } = await loadIdentity(path).then(() => new ThroughlineError('ERR_INTERNAL', ''), (error: unknown) => error as ThroughlineError)
    expect(`${message} ${JSON.stringify(facts)}`).not.toContain('c2Vj')
    expect(message).toContain(path)
  })

  it('that is a folder is unreadable', async () => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'ERR_IDENTITY_UNREADABLE' })
  })

  it('below a file is unreadable', async () => {
    writeFileSync(join(folder, 'keys'), '')
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'ERR_IDENTITY_UNREADABLE', message: expect.stringContaining(path) })
  })

  it('whose link leads nowhere is unreadable, and not replaced', async () => {
    mkdirSync(join(folder, 'keys'))
    symlinkSync(join(folder, 'away.pem'), path)
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'ERR_IDENTITY_UNREADABLE' })
    expect(existsSync(join(folder, 'away.pem'))).toBe(false)
    expect(readdirSync(join(folder, 'keys'))).toEqual(['identity.pem'])
  })
})

it('is looked for below XDG_CONFIG_HOME', () => {
  const before = process.env['XDG_CONFIG_HOME']
  process.env['XDG_CONFIG_HOME'] = '/somewhere'
  expect(defaultIdentityPath()).toBe('/somewhere/throughline/identity.pem')
  if (before === undefined) delete process.env['XDG_CONFIG_HOME']
  else process.env['XDG_CONFIG_HOME'] = before
})
