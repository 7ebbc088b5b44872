import { afterAll, beforeAll, expect, it } from 'vitest'
import { Cli, startListener } from '../support/cli.js'
import { describeIf } from '../support/requirements.js'
import { startVillage, villageMissing, type Village } from './village.js'

describeIf('a peer that falls silent', villageMissing(), () => {
  let village: Village<'alice' | 'bob'>
  beforeAll(async () => {
    village = await startVillage({ alice: {}, bob: {} })
  })
  afterAll(() => village?.close())

  it('is looked for by other paths, and given up with an error when the time for that is over', async () => {
    await using listener = await startListener(village.sites.bob, { mqtt: village.mqtt })
    await using command = new Cli(village.sites.alice, ['connect', listener.address, '--suspend', '5s'], 'stderr', { mqtt: village.mqtt })
    const connected = await command.event('connected')
    // Its kernel goes on acknowledging: nothing but our own pings can tell.
    listener.process.child.kill('SIGSTOP')
    command.child.stdout?.resume()
    command.child.stdin?.write('anybody there?')
    expect(await command.exit(25_000)).toBe(6)
    const closed = await command.event('closed')
    expect(closed).toMatchObject({ code: 'ERR_CONNECTION_LOST', bytesIn: 0 })
    expect(closed.atMs - connected.atMs).toBeGreaterThanOrEqual(5_000)
  })
})
