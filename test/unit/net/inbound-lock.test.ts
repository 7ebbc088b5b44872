import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { takeInboundLock, type InboundLock } from '../../../src/net/inbound-lock.js'
import { userTempFolder } from '../../../src/net/machine-secret.js'
import { encodeBase32 } from '../../../src/protocol/base32.js'

let folder: string
let before: string | undefined
let id: string
const held: InboundLock[] = []
const servers: Server[] = []

beforeEach(() => {
  before = process.env['TMPDIR']
  folder = mkdtempSync(join(tmpdir(), 'lock-'))
  process.env['TMPDIR'] = folder
  id = encodeBase32(randomBytes(32))
})
afterEach(async () => {
  for (const lock of held.splice(0)) await lock.release()
  for (const server of servers.splice(0)) server.close()
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  rmSync(folder, { recursive: true, force: true })
})

const take = async (): Promise<InboundLock> => {
  const lock = await takeInboundLock(id)
  held.push(lock)
  return lock
}
const lockPath = () => join(userTempFolder(), `${id.slice(0, 32)}.lock`)
const files = () => readdirSync(userTempFolder())

/** Leaves the socket file of a process that was killed. */
async function leaveDead(path: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await once(spawn(process.execPath, ['-e', script]), 'exit')
}

describe('the inbound lock', () => {
  it('belongs to one at a time', async () => {
    await take()
    await expect(take()).rejects.toMatchObject({ code: 'ERR_IDENTITY_IN_USE', facts: { id } })
  })

  it('is free again after release, and leaves no file', async () => {
    const lock = await take()
    await lock.release()
    expect(files()).toEqual([])
    await expect(take()).resolves.toBeDefined()
  })

  it('leaves only its own file while it is held', async () => {
    await take()
    await expect(take()).rejects.toThrow()
    expect(files()).toEqual([`${id.slice(0, 32)}.lock`])
  })

  it('is taken over from a process that was killed', async () => {
    await leaveDead(lockPath())
    await take()
    await expect(take()).rejects.toMatchObject({ code: 'ERR_IDENTITY_IN_USE' })
  })

  it('goes to exactly one of many that find it dead at once', async () => {
    await leaveDead(lockPath())
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, take))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(files()).toEqual([`${id.slice(0, 32)}.lock`])
  })

  it('goes to exactly one of many when it is free', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, take))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('is taken over although a process died in the middle of taking it over', async () => {
    await leaveDead(lockPath())
    await leaveDead(`${lockPath()}.turn`)
    await expect(take()).resolves.toBeDefined()
    expect(files()).toEqual([`${id.slice(0, 32)}.lock`])
  })

  it('waits for nobody: a process that is taking it over has it', async () => {
    await leaveDead(lockPath())
    const rival = createServer().listen(`${lockPath()}.turn`)
    servers.push(rival)
    await once(rival, 'listening')
    await expect(take()).rejects.toMatchObject({ code: 'ERR_IDENTITY_IN_USE' })
  })

  it('says which folder cannot be used', async () => {
    process.env['TMPDIR'] = join(folder, 'file')
    writeFileSync(join(folder, 'file'), '')
    await expect(take()).rejects.toMatchObject({ code: 'ERR_IDENTITY_UNREADABLE', message: expect.stringContaining(join(folder, 'file')) })
  })
})
