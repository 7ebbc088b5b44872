import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { connect, newHome, runToEnd, startListener, thisMachine } from '../../support/cli.js'
import { expectCode, expectEchoed } from '../../support/expect-outcome.js'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function home(): string {
  const folder = newHome()
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs `listen` that is to fail: one sentence on stderr that names the code and what it is about. */
async function expectListenFails(args: readonly string[], exit: number, code: string, about: RegExp, folder = home()): Promise<void> {
  const { code: exitCode, said, events } = await runToEnd(thisMachine, ['listen', '--echo'], { home: folder, args })
  expect(exitCode, said).toBe(exit)
  expect(said).toMatch(new RegExp(`^throughline listen: [^\\n]* \\(${code}\\)\\n$`))
  expect(said).toMatch(about)
  expect(events.map(({ event }) => event)).not.toContain('online')
}

describe('listen', () => {
  it('leaves an identity to the process that receives for it, which goes on', async () => {
    const folder = home()
    await using listener = await startListener(thisMachine, { home: folder })
    await expectListenFails([], 1, 'ERR_IDENTITY_IN_USE', new RegExp(listener.id), folder)
    expectEchoed(await connect(thisMachine, listener.address))
  })

  it('shares its identity with a connect of the same user', async () => {
    const folder = home()
    await using listener = await startListener(thisMachine, { home: folder })
    await using other = await startListener(thisMachine)
    const outcome = await connect(thisMachine, other.address, { home: folder })
    expectEchoed(outcome)
    expect(await other.process.event('pipe')).toMatchObject({ peer: listener.id })
  })

  it.each(['0.0.0.0', '::'])('says that the port is taken, at %s', async host => {
    const server = createServer().listen(0, host)
    closers.push(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await expectListenFails(['--listen-port', String(port)], 1, 'ERR_PORT_IN_USE', new RegExp(`\\b${port}\\b`))
  })

  it('refuses a key file others can read, and leaves it as it is', async () => {
    const folder = home()
    const file = join(folder, 'key.pem')
    await runToEnd(thisMachine, ['identity'], { home: folder, mqtt: [], args: ['--identity', file] })
    chmodSync(file, 0o644)
    await expectListenFails(['--identity', file], 1, 'ERR_IDENTITY_PERMISSIONS', /key\.pem.*644.*chmod 600/, folder)
  })

  it('refuses a key file that holds no key', async () => {
    const folder = home()
    const file = join(folder, 'key.pem')
    writeFileSync(file, 'not a key', { mode: 0o600 })
    await expectListenFails(['--identity', file], 1, 'ERR_IDENTITY_INVALID', /key\.pem/, folder)
  })

  it('says which key file cannot be read', async () => {
    const folder = home()
    mkdirSync(join(folder, 'key.pem'), { mode: 0o700 })
    await expectListenFails(['--identity', join(folder, 'key.pem')], 1, 'ERR_IDENTITY_UNREADABLE', /key\.pem/, folder)
  })

  it('says which interface does not exist', async () => {
    await expectListenFails(['--interface', 'nosuch7'], 1, 'ERR_NO_INTERFACE', /nosuch7/)
  })

  it('runs no command for everybody', async () => {
    const { code, said } = await runToEnd(thisMachine, ['listen', '--exec', 'cat'])
    expect(code).toBe(2)
    expect(said).toMatch(/^throughline listen: .*--allow.*\(ERR_ALLOW_REQUIRED\)\n$/)
  })
})

describe('connect', () => {
  it('is refused with 5 for a protocol nobody handles', async () => {
    await using listener = await startListener(thisMachine)
    const outcome = await connect(thisMachine, listener.address, { args: ['--protocol', 'chat/1'] })
    expectCode(outcome, 5)
    expect(outcome.event('failed')).toMatchObject({ code: 'ERR_UNHANDLED_PROTOCOL' })
    expect(listener.process.events.map(({ event }) => event)).toEqual(['online'])
  })

  it('says what is wrong with an address', async () => {
    await using listener = await startListener(thisMachine)
    const { address } = listener
    const changed = `${address.slice(0, 100)}${address[100] === 'a' ? 'b' : 'a'}${address.slice(101)}`
    const wrong = [[address.slice(0, -20), 'ERR_ADDRESS_INVALID'], [`${address.slice(0, 90)}!${address.slice(91)}`, 'ERR_ADDRESS_INVALID'], [changed, /^ERR_ADDRESS_/], [listener.id.slice(1), 'ERR_ADDRESS_INVALID']] as const
    const outcomes = await Promise.all(wrong.map(([peer]) => connect(thisMachine, peer)))
    for (const [index, outcome] of outcomes.entries()) {
      expectCode(outcome, 2)
      expect(outcome.event('failed')?.['code']).toMatch(wrong[index]?.[1] ?? '')
    }
  })
})
