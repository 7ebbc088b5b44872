import { randomBytes } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Node, Pipe } from '../../../src/node/types.js'
import { decodeAddress, encodeAddress } from '../../../src/protocol/address.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import { freePort } from '../../support/free-port.js'
import { exchange, first, Nodes } from './nodes.js'

let nodes: Nodes
beforeEach(() => {
  nodes = new Nodes()
})
afterEach(async () => {
  await nodes[Symbol.asyncDispose]()
})

const pair = async (): Promise<{ alice: Node; bob: Node; mqtt: readonly string[] }> => {
  const mqtt = [(await nodes.broker()).url]
  return { mqtt, alice: await nodes.node({ mqtt }), bob: await nodes.echo({ mqtt }) }
}
const echoes = async (pipe: Pipe): Promise<void> => expect(await exchange(pipe, 'Hello, world!')).toBe('Hello, world!')

describe('a peer is reached', () => {
  it('by its address, without any broker', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo()]
    const pipe = await alice.connect(bob.address)
    expect(pipe.peer.id).toBe(bob.id)
    expect(pipe.path).toMatchObject({ strategy: 'direct', scope: 'local', family: 4 })
    await echoes(pipe)
  })

  it('by its address in capitals, with spaces around', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo()]
    await echoes(await alice.connect(`  ${bob.address.toUpperCase()}\n`))
  })

  it('by its id', async () => {
    const { alice, bob } = await pair()
    await echoes(await alice.connect(bob.id))
  })

  it('by its id at a broker nobody else uses', async () => {
    const broker = await nodes.broker()
    const [alice, bob] = [await nodes.node(), await nodes.echo({ mqtt: [broker.url] })]
    await echoes(await alice.connect(`${bob.id}@${broker.url}`))
  })

  it('by itself, at its own address and id', async () => {
    const node = await nodes.echo({ mqtt: [(await nodes.broker()).url] })
    await echoes(await node.connect(node.address))
    await echoes(await node.connect(node.id))
  })

  it('in reverse alone', async () => {
    const { alice, bob } = await pair()
    const pipe = await alice.connect(bob.address, { strategies: ['reverse'] })
    expect(pipe.path.strategy).toBe('reverse')
    await echoes(pipe)
  })

  it('directly although the port in its address is stale: the answer tells the new one', async () => {
    const seed = randomBytes(32)
    const { alice, mqtt } = await pair()
    const bob = await nodes.echo({ mqtt, identity: { seed } })
    const stale = { ...decodeAddress(bob.address), interfaces: [{ family: 4, local: { host: '127.0.0.1', port: await freePort() } }] } as const
    const pipe = await alice.connect(encodeAddress(stale, identityFromSeed(seed)), { strategies: ['direct'] })
    expect(pipe.path.strategy).toBe('direct')
    await echoes(pipe)
  })

  it('with first bytes that arrive before anything is written', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo()]
    expect(await exchange(await alice.connect(bob.address, { firstBytes: Buffer.from('first ') }), 'second')).toBe('first second')
  })

  it('in sequence: direct is over before reverse begins', async () => {
    const seed = randomBytes(32)
    const { alice, mqtt } = await pair()
    const bob = await nodes.echo({ mqtt, identity: { seed } })
    const nobody = { ...decodeAddress(bob.address), interfaces: [{ family: 4, local: { host: '127.0.0.1', port: await freePort() } }] } as const
    const attempt = alice.dial(encodeAddress(nobody, identityFromSeed(seed)), { strategies: ['reverse', 'direct'], mode: 'sequence' })
    const pipe = await attempt.pipe
    expect(pipe.path.strategy).toBe('reverse')
    expect(attempt.report().candidates.map(({ strategy }) => strategy)).not.toContain('direct')
    await echoes(pipe)
  })
})

describe('connecting fails with a code', () => {
  it.each([
    ['a name', 'bob.peer', 'ERR_PEER_UNKNOWN'], ['a name at a broker', 'bob.peer@mqtt://127.0.0.1:1', 'ERR_PEER_UNKNOWN'], ['half an id', 'abcdef', 'ERR_ADDRESS_INVALID'],
    ['half an address', 'tl1abcdefgh', 'ERR_ADDRESS_INVALID'], ['nothing', '', 'ERR_ADDRESS_INVALID'],
  ])('for %s', async (_, peer, code) => {
    const node = await nodes.node()
    await expect(node.connect(peer)).rejects.toMatchObject({ code })
  })

  it('and says that names cannot be looked up yet', async () => {
    const node = await nodes.node()
    await expect(node.connect('bob.peer')).rejects.toThrow(/cannot look names up yet \(bob\.peer\)/)
  })

  it('for an id without a broker to ask', async () => {
    const [node, other] = [await nodes.node(), await nodes.node()]
    await expect(node.connect(other.id)).rejects.toMatchObject({ code: 'ERR_NO_BROKER' })
  })

  it('where nothing is left to try from the start', async () => {
    const node = await nodes.node()
    const attempt = node.dial(node.address, { strategies: ['reverse', 'punch'] })
    await expect(attempt.pipe).rejects.toMatchObject({ code: 'ERR_NO_BROKER' })
    expect(attempt.report()).toMatchObject({ state: 'failed', candidates: [], verdict: { code: 'ERR_NO_BROKER' } })
  })

  it('for a strategy this version does not have, at once', async () => {
    const node = await nodes.node()
    await expect(node.connect(node.address, { strategies: ['teleport' as 'direct'] })).rejects.toMatchObject({ code: 'ERR_STRATEGY_UNKNOWN' })
    await expect(node.connect(node.address, { strategies: [] })).rejects.toMatchObject({ code: 'ERR_STRATEGY_UNKNOWN' })
  })

  it.each([['a protocol name of 256 bytes', { protocol: 'x'.repeat(256) }, 'ERR_PROTOCOL_NAME'], ['first bytes above 16 KiB', { firstBytes: new Uint8Array(16_385) }, 'ERR_MESSAGE_TOO_LARGE']])(
    'for %s', async (_, options, code) => {
      const node = await nodes.node()
      await expect(node.connect(node.address, options)).rejects.toMatchObject({ code })
    })

  it('when its signal has fired before', async () => {
    const node = await nodes.echo()
    await expect(node.connect(node.address, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('when its signal fires while a peer stays silent, with the candidate in the report', async () => {
    const silent = createServer(socket => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
    nodes.defer(() => silent.close())
    await once(silent, 'listening')
    const seed = randomBytes(32)
    const bob = await nodes.node({ identity: { seed } })
    const address = encodeAddress({ ...decodeAddress(bob.address), interfaces: [{ family: 4, local: { host: '127.0.0.1', port: (silent.address() as AddressInfo).port } }] }, identityFromSeed(seed))
    const node = await nodes.node()
    const stop = new AbortController()
    const attempt = node.dial(address, { signal: stop.signal })
    await first(attempt.candidates$, ({ status }) => status === 'securing')
    expect(attempt.report()).toMatchObject({ state: 'connecting', peerId: bob.id, candidates: expect.arrayContaining([expect.objectContaining({ status: 'securing' })]) })
    stop.abort()
    await expect(attempt.pipe).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    expect(attempt.report()).toMatchObject({ state: 'failed', verdict: { code: 'ERR_CANCELLED' } })
    expect(attempt.report().candidates.every(({ status }) => ['cancelled', 'skipped', 'failed'].includes(status))).toBe(true)
  })

  it('when it takes longer than it may', async () => {
    const { mqtt } = await pair()
    const bob = await nodes.node({ mqtt, authorize: () => new Promise<boolean>(() => {}) })
    bob.pipes$.subscribe()
    const alice = await nodes.node({ mqtt })
    await expect(alice.connect(bob.address, { timeoutMs: 300 })).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(TIMEOUT|NO_PATH)$/) })
  })
})

describe('the report of an attempt', () => {
  it('tells why the path is what it is', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo()]
    const attempt = alice.dial(bob.address)
    const states: string[] = []
    attempt.state$.subscribe(state => states.push(state))
    const pipe = await attempt.pipe
    expect(attempt.report()).toMatchObject({
      session: attempt.session, peerId: bob.id, protocol: '', mode: 'race', state: 'connected',
      candidates: expect.arrayContaining([expect.objectContaining({ status: 'elected', strategy: 'direct', remote: expect.stringContaining('127.0.0.1') })]),
      verdict: { code: 'OK', text: expect.stringMatching(/^Connected direct over IPv4/) },
    })
    await echoes(pipe)
    expect(states.slice(0, 2)).toEqual(['resolving', 'connecting'])
    expect(states).toContain('connected')
  })

  it('names every endpoint that failed, and what would help', async () => {
    const seed = randomBytes(32)
    const { alice, mqtt } = await pair()
    const bob = await nodes.node({ mqtt, identity: { seed } })
    const gone = encodeAddress({ ...decodeAddress(bob.address), interfaces: [{ family: 4, local: { host: '127.0.0.1', port: await freePort() } }] }, identityFromSeed(seed))
    await bob.close()
    const attempt = alice.dial(gone, { timeoutMs: 8_000 })
    await expect(attempt.pipe).rejects.toMatchObject({ code: 'ERR_PEER_OFFLINE' })
    const { candidates, verdict, signalling } = attempt.report()
    expect(candidates.map(({ error }) => error?.code)).toContain('ERR_DIAL_REFUSED')
    expect(verdict.text).toMatch(/No sign of life.*published, and nobody acknowledged.*refused/)
    expect([signalling.state, verdict.advice]).toEqual(['published', expect.stringMatching(/running/)])
  })

  it('says that somebody else answers', async () => {
    const seed = randomBytes(32)
    const [alice, bob, mallory] = [await nodes.node(), await nodes.node({ identity: { seed } }), await nodes.echo()]
    const { interfaces } = decodeAddress(mallory.address)
    const attempt = alice.dial(encodeAddress({ ...decodeAddress(bob.address), interfaces }, identityFromSeed(seed)))
    await expect(attempt.pipe).rejects.toMatchObject({ code: 'ERR_PEER_KEY_MISMATCH' })
    expect(attempt.report().verdict.text).toContain(mallory.id)
  })
})

describe('handlers', () => {
  it('get the pipes of their protocol only', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo()]
    const chats: Pipe[] = []
    bob.handle('chat/1', pipe => {
      chats.push(pipe)
      pipe.pipe(pipe)
    })
    await echoes(await alice.connect(bob.address, { protocol: 'chat/1' }))
    expect(chats.map(({ protocol }) => protocol)).toEqual(['chat/1'])
  })

  it('that are missing refuse, clearly', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo()]
    await expect(alice.connect(bob.address, { protocol: 'chat/2' })).rejects.toMatchObject({ code: 'ERR_UNHANDLED_PROTOCOL' })
  })

  it('that were removed are missing', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.node()]
    bob.handle('chat/1', () => {})()
    await expect(alice.connect(bob.address, { protocol: 'chat/1' })).rejects.toMatchObject({ code: 'ERR_UNHANDLED_PROTOCOL' })
  })

  it('may refuse a pipe with a code', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.node()]
    bob.handle('chat/1', () => {}, { accept: () => 'ERR_BUSY' })
    await expect(alice.connect(bob.address, { protocol: 'chat/1' })).rejects.toMatchObject({ code: 'ERR_BUSY' })
  })

  it('of the default protocol are the subscribers of pipes$', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.node()]
    await expect(alice.connect(bob.address)).rejects.toMatchObject({ code: 'ERR_UNHANDLED_PROTOCOL' })
    const subscription = bob.pipes$.subscribe(pipe => pipe.pipe(pipe))
    await echoes(await alice.connect(bob.address))
    subscription.unsubscribe()
    await expect(alice.connect(bob.address)).rejects.toMatchObject({ code: 'ERR_UNHANDLED_PROTOCOL' })
  })

  it('of reserved protocols are refused', async () => {
    const node = await nodes.node()
    expect(() => node.handle('tl/ping/1', () => {})).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_NAME' }))
  })
})

it('inspect receives the events of every root actor', async () => {
  const kinds = new Set<string>()
  const inspect = (event: { actorRef: { src: unknown } }) => {
    const { src } = event.actorRef
    kinds.add(typeof src === 'object' && src !== null && 'id' in src ? String(src.id) : String(src))
  }
  const node = await nodes.echo({ mqtt: [(await nodes.broker()).url], inspect: inspect as never })
  await echoes(await node.connect(node.address))
  await turn()
  expect([...kinds]).toEqual(expect.arrayContaining(['node', 'connection', 'signalling']))
})
