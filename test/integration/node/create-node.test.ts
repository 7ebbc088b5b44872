import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNode } from '../../../src/node/create-node.js'
import { decodeAddress } from '../../../src/protocol/address.js'
import { startHangingBroker } from '../../support/hanging-broker.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { exchange, first, Nodes } from './nodes.js'

let nodes: Nodes
beforeEach(() => {
  nodes = new Nodes()
})
afterEach(async () => {
  await nodes[Symbol.asyncDispose]()
})

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('the identity of a node', () => {
  it('is made on first use, for its owner alone, and kept', async () => {
    const identity = join(nodes.folder, 'keys', 'a.pem')
    const node = await nodes.node({ identity })
    expect([modeOf(identity), modeOf(join(nodes.folder, 'keys'))]).toEqual(['600', '700'])
    await node.close()
    expect((await nodes.node({ identity })).id).toBe(node.id)
  })

  it('that others can read is refused, by path', async () => {
    const identity = join(nodes.folder, 'a.pem')
    await (await nodes.node({ identity })).close()
    chmodSync(identity, 0o644)
    await expect(nodes.node({ identity })).rejects.toMatchObject({ code: 'ERR_IDENTITY_PERMISSIONS', message: expect.stringContaining(identity) })
  })

  it('that is garbage is refused, by path', async () => {
    const identity = join(nodes.folder, 'a.pem')
    writeFileSync(identity, 'garbage', { mode: 0o600 })
    await expect(nodes.node({ identity })).rejects.toMatchObject({ code: 'ERR_IDENTITY_INVALID', message: expect.stringContaining(identity) })
  })

  it('receives in one node at a time, and is free after close', async () => {
    const identity = join(nodes.folder, 'a.pem')
    const holder = await nodes.node({ identity })
    await expect(nodes.node({ identity })).rejects.toMatchObject({ code: 'ERR_IDENTITY_IN_USE' })
    await holder.close()
    await expect(nodes.node({ identity })).resolves.toMatchObject({ id: holder.id })
  })

  it('is shared by nodes that only connect', async () => {
    const identity = join(nodes.folder, 'a.pem')
    const holder = await nodes.echo({ identity })
    const side = await nodes.node({ identity, inbound: false })
    expect([side.id, side.address]).toEqual([holder.id, ''])
    expect(await exchange(await side.connect(holder.address), 'me')).toBe('me')
  })

  it('is free again after its process was killed', async () => {
    const identity = join(nodes.folder, 'a.pem')
    const script = `import { createNode } from ${JSON.stringify(resolve('src/node/create-node.ts'))}
      await createNode({ identity: ${JSON.stringify(identity)}, mqtt: [], stun: [], ntp: [], interfaces: ['lo'] })
      console.log('up')`
    writeFileSync(join(nodes.folder, 'holder.mts'), script)
    const holder = spawn(process.execPath, ['--import', 'tsx', join(nodes.folder, 'holder.mts')], { cwd: resolve('.'), stdio: ['ignore', 'pipe', 'inherit'] })
    nodes.defer(() => holder.kill('SIGKILL'))
    await once(holder.stdout, 'data')
    await expect(nodes.node({ identity })).rejects.toMatchObject({ code: 'ERR_IDENTITY_IN_USE' })
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await expect(nodes.node({ identity })).resolves.toBeDefined()
  })
})

describe('making a node', () => {
  it('names the port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    nodes.defer(() => taken.close())
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    await expect(nodes.node({ listenPort: port })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE', message: expect.stringContaining(String(port)) })
  })

  it('frees the identity when it fails', async () => {
    const identity = join(nodes.folder, 'a.pem')
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    await expect(nodes.node({ identity, listenPort: (taken.address() as AddressInfo).port })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' })
    taken.close()
    await expect(nodes.node({ identity })).resolves.toBeDefined()
  })

  it.each([
    ['an interface that does not exist', { interfaces: ['nope0'] }, 'ERR_NO_INTERFACE'], ['no interface', { interfaces: [] }, 'ERR_NO_INTERFACE'],
    ['a broker URL of another kind', { mqtt: ['http://broker'] }, 'ERR_BROKER_URL'], ['an id in allow that is none', { allow: ['bob'] }, 'ERR_ADDRESS_INVALID'],
  ])('refuses %s', async (_, options, code) => {
    await expect(nodes.node(options)).rejects.toMatchObject({ code })
  })

  it('listens on the port it is told', async () => {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    probe.close()
    await once(probe, 'close')
    const node = await nodes.node({ listenPort: port })
    expect(decodeAddress(node.address).interfaces.every(({ local }) => local?.port === port)).toBe(true)
  })

  it('does not begin when its signal has fired', async () => {
    await expect(nodes.node({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('leaves nothing when its signal fires while it waits for a broker', async () => {
    const broker = await startHangingBroker('silent')
    nodes.defer(() => broker.close())
    const stop = new AbortController()
    const identity = join(nodes.folder, 'a.pem')
    const making = createNode({ identity, mqtt: [broker.url], stun: [], ntp: [], interfaces: ['lo'], signal: stop.signal })
    await expect.poll(() => broker.connections, { timeout: 5_000, interval: 5 }).toBe(1)
    stop.abort()
    await expect(making).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await expect(nodes.node({ identity })).resolves.toBeDefined()
  })

  it('leaves nothing when its signal fires at once', async () => {
    const stop = new AbortController()
    const making = createNode({ identity: join(nodes.folder, 'a.pem'), mqtt: [], stun: [], ntp: [], interfaces: ['lo'], signal: stop.signal })
    stop.abort()
    await expect(making).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    await expectNoOpenSockets()
  })
})

describe('being online', () => {
  it('needs no broker where none is wanted, and says that signalling is missing', async () => {
    const node = await nodes.node()
    expect(await first(node.state$)).toBe('online')
    expect(node.degraded).toContain('signalling')
  })

  it('waits three seconds for brokers that hang, not longer and not less', async () => {
    const brokers = await Promise.all([startHangingBroker('silent'), startHangingBroker('silent')])
    for (const broker of brokers) nodes.defer(() => broker.close())
    const startedAtMs = performance.now()
    const node = await nodes.node({ mqtt: brokers.map(({ url }) => url) })
    const tookMs = performance.now() - startedAtMs
    expect(tookMs).toBeGreaterThan(2_900)
    expect(node.degraded).toContain('signalling')
    await node.settled()
  })

  it('comes with the first broker that serves', async () => {
    const [broker, hanging] = [await nodes.broker(), await startHangingBroker('silent')]
    nodes.defer(() => hanging.close())
    const node = await nodes.node({ mqtt: [broker.url, hanging.url] })
    expect(node.degraded).not.toContain('signalling')
    expect(decodeAddress(node.address).brokers).toEqual([broker.url])
  })

  it('is settled when every broker has answered', async () => {
    const brokers = [await nodes.broker(), await nodes.broker()]
    const node = await nodes.node({ mqtt: brokers.map(({ url }) => url) })
    await node.settled()
    expect(decodeAddress(node.address).brokers).toHaveLength(2)
  })

  it('waiting for it to settle ends with a signal', async () => {
    const hanging = await startHangingBroker('silent')
    nodes.defer(() => hanging.close())
    const node = await nodes.node({ mqtt: [(await nodes.broker()).url, hanging.url] })
    await expect(node.settled({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })

  it('states another home when one dies', async () => {
    const brokers = [await nodes.broker(), await nodes.broker(), await nodes.broker()]
    const node = await nodes.node({ mqtt: brokers.map(({ url }) => url) })
    await node.settled()
    const before = decodeAddress(node.address).brokers
    await brokers.find(({ url }) => url === before[0])?.close()
    const after = await first(node.address$, address => decodeAddress(address).brokers.length === 2 && !decodeAddress(address).brokers.includes(before[0] ?? ''))
    expect(decodeAddress(after).brokers).toContain(before[1])
    expect(decodeAddress(after).sequence).toBeGreaterThan(0)
  })

  it('shows interfaces, port, brokers and budgets', async () => {
    const broker = await nodes.broker()
    const node = await nodes.node({ mqtt: [broker.url] })
    const network = await first(node.network$)
    expect(network).toMatchObject({
      interfaces: expect.arrayContaining([expect.objectContaining({ name: 'lo', family: 4, local: '127.0.0.1', external: null, tcp: expect.objectContaining({ mapping: 'unknown' }) })]),
      clock: null,
      listenPort: expect.any(Number),
      brokers: [{ url: broker.url, state: 'online', rttMs: expect.any(Number) }],
      budgets: { strangerOffersPerSecond: { used: 0, limit: 4 }, inboundAttempts: { used: 0, limit: 64 }, windowBytes: { used: 0 } },
    })
  })
})

describe('closing', () => {
  it('may be asked for again and again', async () => {
    const node = await nodes.node()
    await Promise.all([node.close(), node.close()])
    await node.close()
    await expect(node.connect(node.id)).rejects.toMatchObject({ code: 'ERR_NODE_CLOSED' })
  })

  it('ends attempts that run', async () => {
    const hanging = await startHangingBroker('silent')
    nodes.defer(() => hanging.close())
    const [node, other] = [await nodes.node({ mqtt: [(await nodes.broker()).url] }), await nodes.node()]
    const attempt = node.dial(`${other.id}@${hanging.url}`)
    await node.close()
    await expect(attempt.pipe).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })
})
