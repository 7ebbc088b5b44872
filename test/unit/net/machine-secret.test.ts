import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { machineSecret, userTempFolder } from '../../../src/net/machine-secret.js'

let folder: string
let before: string | undefined
beforeEach(() => {
  before = process.env['TMPDIR']
  folder = mkdtempSync(join(tmpdir(), 'secret-'))
  process.env['TMPDIR'] = folder
})
afterEach(() => {
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  rmSync(folder, { recursive: true, force: true })
})

const ours = () => join(folder, `throughline-${process.getuid?.()}`)

describe('the folder of a user', () => {
  it('is closed to others', () => {
    expect((statSync(userTempFolder()).mode & 0o777).toString(8)).toBe('700')
  })

  it('is closed again when it was opened', () => {
    chmodSync(userTempFolder(), 0o755)
    expect((statSync(userTempFolder()).mode & 0o777).toString(8)).toBe('700')
  })

  it('is not used through a link somebody may have put there', () => {
    mkdirSync(join(folder, 'elsewhere'), { mode: 0o755 })
    symlinkSync(join(folder, 'elsewhere'), ours())
    expect(() => userTempFolder()).toThrow(expect.objectContaining({ code: 'ERR_IDENTITY_UNREADABLE', facts: { path: ours() } }))
    expect((statSync(join(folder, 'elsewhere')).mode & 0o777).toString(8)).toBe('755')
  })
})

it('the secret is the same for every caller on this machine', () => {
  expect(Buffer.from(machineSecret()).equals(machineSecret())).toBe(true)
  expect(machineSecret().length).toBeGreaterThanOrEqual(32)
})
