import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defaults } from '../../../src/config/defaults.js'
import type { ProvenPath } from '../../../src/nat/path-memory.js'
import { PathMemory, type PathMemoryOptions } from '../../../src/node/path-memory.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import { FakeClock } from '../../support/fake-clock.js'

const { writeEveryMs, maxAgeDays, maxPaths, maxFileBytes } = defaults.memory
const dayMs = 86_400_000
const identity = identityFromSeed(Buffer.alloc(32, 1))
const [bob, carol] = [2, 3].map(seed => identityFromSeed(Buffer.alloc(32, seed)).id) as [string, string]
const home = { interfaceName: 'eth0', cidr: '192.168.1.10/24', external: '198.51.100.7' }
const birthday = { strategy: 'punch', method: 'birthday', family: 4, remote: '203.0.113.9:4000' } as const
const reverse = { strategy: 'reverse', family: 4, remote: '203.0.113.9:4000' } as const
const direct = { strategy: 'direct', family: 4, remote: '203.0.113.9:4000' } as const

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'paths-'))
  file = join(folder, 'identity.pem.paths')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function memory(options: Partial<PathMemoryOptions> = {}): Promise<PathMemory> {
  const made = new PathMemory({ identity, file, clock: new FakeClock(), own: () => [home], ...options })
  await made.load()
  return made
}

const recalled = (from: PathMemory, peerId = bob): ProvenPath | undefined => from.recall({ peerId, endpoints: undefined, brokers: [] }).remembered
const stated = (host: string): readonly InterfaceRecord[] => [{ family: 4, local: { host: '192.168.7.7', port: 5 }, external: { host, port: 6 } }]

/** What a process that closes leaves to the next. */
async function noted(...notes: readonly (readonly [peerId: string, path: typeof birthday | typeof reverse | typeof direct])[]): Promise<void> {
  const writer = await memory()
  for (const [peerId, path] of notes) writer.note(peerId, path)
  await writer.close()
}

describe('what worked', () => {
  it('is known at the next dial, and after a restart', async () => {
    const first = await memory()
    expect(recalled(first)).toBeUndefined()
    first.note(bob, birthday)
    expect(recalled(first)).toEqual({ strategy: 'punch', method: 'birthday', family: 4 })
    await first.close()
    expect(recalled(await memory())).toEqual({ strategy: 'punch', method: 'birthday', family: 4 })
  })

  it('is replaced by what works later', async () => {
    await noted([bob, birthday], [bob, reverse])
    expect(recalled(await memory())).toEqual({ strategy: 'reverse', family: 4 })
  })

  it('is no reason for haste when the peer could be dialled since, also after a restart', async () => {
    await noted([bob, reverse])
    await noted([bob, direct])
    expect(recalled(await memory())).toBeUndefined()
  })

  it('is not noted of peers that are only ever dialled', async () => {
    await noted([bob, direct], [carol, direct])
    expect(readdirSync(folder)).toEqual([])
  })

  it('from one network is nothing to another', async () => {
    await noted([bob, birthday])
    expect(recalled(await memory({ own: () => [{ ...home, external: '198.51.100.8', cidr: '10.0.0.4/24' }] }))).toBeUndefined()
  })

  it('is known to a process that does not know its external address yet', async () => {
    await noted([bob, birthday])
    expect(recalled(await memory({ own: () => [{ ...home, external: null }] }))).toBeDefined()
  })

  it('holds between two networks while the peer states an address of the one it was in', async () => {
    const first = await memory()
    first.note(bob, birthday)
    expect(first.between(bob, stated('203.0.113.9'))).toEqual({ strategy: 'punch', method: 'birthday', family: 4 })
    expect(first.between(bob, stated('203.0.113.10'))).toBeUndefined()
    expect(first.between(carol, stated('203.0.113.9'))).toBeUndefined()
  })

  it('is found out anew after some time, however often it was proven in between', async () => {
    const clock = new FakeClock()
    const first = await memory({ clock })
    for (let day = 0; day <= maxAgeDays; day += 1) {
      first.note(bob, birthday)
      expect(recalled(first)).toBeDefined()
      clock.advance(dayMs)
    }
    expect(recalled(first)).toBeUndefined()
    first.note(bob, birthday)
    expect(recalled(first)).toBeDefined()
    await first.close()
  })
})

describe('the file', () => {
  it('is for its owner alone, and tells neither who nor where', async () => {
    await noted([bob, birthday], [carol, reverse])
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600')
    expect(readdirSync(folder)).toEqual(['identity.pem.paths'])
    const text = readFileSync(file, 'utf8')
    for (const secret of [bob, carol, identity.id, '203.0.113', 'cb007109', '198.51.100', 'c6336407', '192.168', 'eth0']) expect(text).not.toContain(secret)
  })

  it('is of no use to another identity', async () => {
    await noted([bob, birthday])
    expect(recalled(await memory({ identity: identityFromSeed(Buffer.alloc(32, 9)) }))).toBeUndefined()
  })

  it('is written at most once a minute', async () => {
    const clock = new FakeClock()
    const first = await memory({ clock })
    first.note(bob, birthday)
    first.note(carol, reverse)
    clock.advance(writeEveryMs - 1)
    expect(readdirSync(folder)).toEqual([])
    clock.advance(1)
    await vi.waitFor(() => expect(readdirSync(folder)).toEqual(['identity.pem.paths']))
    await first.close()
    expect(clock.pending).toBe(0)
  })

  it('is not written again for what it says already', async () => {
    await noted([bob, birthday])
    const { mtimeMs, ino } = statSync(file)
    await noted([bob, birthday])
    expect(statSync(file)).toMatchObject({ mtimeMs, ino })
  })

  it('is made for no node that was given its key', async () => {
    const clock = new FakeClock()
    const first = await memory({ file: undefined, clock })
    first.note(bob, birthday)
    expect(clock.pending).toBe(0)
    await first.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it.each([['garbage', 'no paths at all'], ['nothing', ''], ['half of it', '{"version":1,"paths":[["abc'], ['too much', ' '.repeat(maxFileBytes + 1)]])('that holds %s counts as none, and is replaced', async (_, text) => {
    writeFileSync(file, text)
    const first = await memory()
    expect(recalled(first)).toBeUndefined()
    first.note(bob, birthday)
    await first.close()
    expect(recalled(await memory())).toBeDefined()
  })

  it('that cannot be written or read is done without', async () => {
    mkdirSync(file)
    await noted([bob, birthday])
    expect(readdirSync(folder)).toEqual(['identity.pem.paths'])
    expect(recalled(await memory({ file: join(folder, 'missing', 'paths') }))).toBeUndefined()
    const nowhere = await memory({ file: join(folder, 'missing', 'paths') })
    nowhere.note(bob, birthday)
    await nowhere.close()
    expect(readdirSync(folder)).toEqual(['identity.pem.paths'])
  })

  it('keeps what another process has written since', async () => {
    const [listening, connecting] = await Promise.all([memory(), memory()])
    listening.note(bob, birthday)
    connecting.note(carol, reverse)
    await connecting.close()
    await listening.close()
    const next = await memory()
    expect([recalled(next, bob)?.strategy, recalled(next, carol)?.strategy]).toEqual(['punch', 'reverse'])
  })

  it('is one that can be read whenever several write it at once', async () => {
    const writers = await Promise.all(Array.from({ length: 8 }, () => memory()))
    for (const [index, writer] of writers.entries()) for (let peer = 0; peer < maxPaths; peer += 1) writer.note(`${index} ${peer}`, birthday)
    const closed = Promise.all(writers.map(writer => writer.close()))
    let isClosed = false
    void closed.then(() => (isClosed = true))
    for (let looks = 0; !isClosed && looks < 100_000; looks += 1) {
      await turn()
      if (readdirSync(folder).includes('identity.pem.paths')) expect((JSON.parse(readFileSync(file, 'utf8')) as { paths: unknown[] }).paths.length).toBe(maxPaths)
    }
    await closed
    expect(readdirSync(folder)).toEqual(['identity.pem.paths'])
  })
})
