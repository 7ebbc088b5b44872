import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Node, Strategy } from '../../../src/index.js'
import { exchange, Nodes } from './nodes.js'

/** Dials, says hello, and tells what was remembered of the peer. */
async function dial(node: Node, peer: string, strategies?: readonly Strategy[]) {
  const attempt = node.dial(peer, strategies && { strategies })
  expect(await exchange(await attempt.pipe, 'hello')).toBe('hello')
  return attempt.report().remembered
}

describe('a node that has had a pipe to a peer', () => {
  it.each([['reverse', { strategy: 'reverse' }], ['punch', { strategy: 'punch', method: 'listen' }]] as const)(
    'by %s remembers it for its next dial, by address or by id, and after a restart', async (strategy, remembered) => {
      await using nodes = new Nodes()
      const mqtt = [(await nodes.broker()).url]
      const identity = join(nodes.folder, 'identity.pem')
      const listener = await nodes.echo({ mqtt, allow: 'any' })
      const dialler = await nodes.node({ mqtt, identity })
      expect(await dial(dialler, listener.address, [strategy])).toBeUndefined()
      expect(await dial(dialler, listener.address)).toMatchObject(remembered)
      // the last pipe was a direct one
      expect(await dial(dialler, listener.address)).toBeUndefined()
      await dial(dialler, listener.address, [strategy])
      expect(await dial(dialler, listener.id, [strategy])).toMatchObject(remembered)
      await dialler.close()
      const later = await nodes.node({ mqtt, identity })
      expect(await dial(later, listener.address, [strategy])).toMatchObject(remembered)
    })

  it('says nothing of it where that way is not wanted', async () => {
    await using nodes = new Nodes()
    const mqtt = [(await nodes.broker()).url]
    const listener = await nodes.echo({ mqtt, allow: 'any' })
    const dialler = await nodes.node({ mqtt })
    await dial(dialler, listener.address, ['punch'])
    expect(await dial(dialler, listener.address, ['direct'])).toBeUndefined()
  })

  it('keeps it beside the key, for itself alone, and shares it with what runs beside it under the same identity', async () => {
    await using nodes = new Nodes()
    const mqtt = [(await nodes.broker()).url]
    const identity = join(nodes.folder, 'identity.pem')
    const [bob, carol] = await Promise.all([nodes.echo({ mqtt }), nodes.echo({ mqtt })])
    const listening = await nodes.node({ mqtt, identity })
    const connecting = await nodes.node({ mqtt, identity, inbound: false })
    await dial(listening, bob.address, ['reverse'])
    await dial(connecting, carol.address, ['punch'])
    await connecting.close()
    await listening.close()
    const file = `${identity}.paths`
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600')
    for (const text of [bob.id, carol.id, '127.0.0.1']) expect(readFileSync(file, 'utf8')).not.toContain(text)
    const later = await nodes.node({ mqtt, identity, inbound: false })
    expect(await dial(later, bob.address)).toMatchObject({ strategy: 'reverse' })
    expect(await dial(later, carol.address)).toMatchObject({ strategy: 'punch' })
  })

  it('does without a file where none can be written', async () => {
    await using nodes = new Nodes()
    const mqtt = [(await nodes.broker()).url]
    const identity = join(nodes.folder, 'identity.pem')
    mkdirSync(`${identity}.paths`)
    const listener = await nodes.echo({ mqtt, allow: 'any' })
    const dialler = await nodes.node({ mqtt, identity })
    await dial(dialler, listener.address, ['punch'])
    expect(await dial(dialler, listener.address)).toMatchObject({ strategy: 'punch' })
    await dialler.close()
    expect(statSync(`${identity}.paths`).isDirectory()).toBe(true)
  })

  it('leaves no file when it was only ever dialled, or given its key', async () => {
    await using nodes = new Nodes()
    const mqtt = [(await nodes.broker()).url]
    const identity = join(nodes.folder, 'identity.pem')
    const listener = await nodes.echo({ mqtt, identity })
    const dialler = await nodes.node({ mqtt, identity: { seed: randomBytes(32) } })
    await dial(dialler, listener.address)
    await dial(dialler, listener.address, ['reverse'])
    await Promise.all([listener.close(), dialler.close()])
    expect(existsSync(`${identity}.paths`)).toBe(false)
  })
})
