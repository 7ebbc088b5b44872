import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assign, createActor, setup, waitFor } from 'xstate'
import { connectionLogic, type PipeOpened } from '../../../src/node/connection-logic.js'
import type { AuthorizeRequest, Node, Pipe } from '../../../src/node/types.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import { exchange, first, Nodes } from './nodes.js'

let nodes: Nodes
beforeEach(() => {
  nodes = new Nodes()
})
afterEach(async () => {
  await nodes[Symbol.asyncDispose]()
})

describe('authorize', () => {
  it('is asked once per session', async () => {
    const asked: AuthorizeRequest[] = []
    const mqtt = [(await nodes.broker()).url]
    const [alice, bob] = [await nodes.node({ mqtt }), await nodes.echo({ mqtt, authorize: request => asked.push(request) > 0 })]
    expect(await exchange(await alice.connect(bob.address, { strategies: ['reverse'] }), 'x')).toBe('x')
    expect(asked).toMatchObject([{ peerId: alice.id, protocol: '' }])
    expect(await exchange(await alice.connect(bob.address), 'y')).toBe('y')
    expect(asked).toHaveLength(2)
  })

  it('that says no refuses a dial', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo({ authorize: () => false })]
    await expect(alice.connect(bob.address)).rejects.toMatchObject({ code: 'ERR_REFUSED' })
  })

  it('that throws refuses a dial, and tells the peer nothing', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo({ authorize: () => { throw new Error('secret reason') } })]
    const error = await alice.connect(bob.address).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_REFUSED' })
    expect(String(error)).not.toContain('secret reason')
  })

  it('may take longer than the peer waits for ACCEPT: the peer is told that it is pending', async () => {
    let answer: (value: boolean) => void = () => {}
    const onEvent = ({ type, event }: { type: string; event?: { type: string } }) => {
      if (type === '@xstate.event' && event?.type === 'open.pending') answer(true)
    }
    const [alice, bob] = [await nodes.node({ inspect: onEvent }), await nodes.echo({ authorize: () => new Promise<boolean>(resolve => (answer = resolve)) })]
    expect(await exchange(await alice.connect(bob.address), 'x')).toBe('x')
  })

  it('that does not answer in five seconds has refused', async () => {
    let signal: AbortSignal | undefined
    const [alice, bob] = [await nodes.node(), await nodes.echo({ authorize: (_, context) => { signal = context.signal; return new Promise<boolean>(() => {}) } })]
    await expect(alice.connect(bob.address)).rejects.toMatchObject({ code: 'ERR_REFUSED' })
    expect(signal?.aborted).toBe(true)
  })

  it('that grants only reverse gets a reverse path', async () => {
    const mqtt = [(await nodes.broker()).url]
    const [alice, bob] = [await nodes.node({ mqtt }), await nodes.echo({ mqtt, authorize: () => ['reverse'] })]
    const pipe = await alice.connect(bob.address, { strategies: ['reverse'] })
    expect(pipe.path.strategy).toBe('reverse')
    expect(await exchange(pipe, 'x')).toBe('x')
  })

  it('that grants only reverse refuses a direct channel', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo({ authorize: () => ['reverse'] })]
    await expect(alice.connect(bob.address, { strategies: ['direct'] })).rejects.toMatchObject({ code: 'ERR_REFUSED' })
  })
})

describe('an allow list', () => {
  it('lets in those it names', async () => {
    const seed = randomBytes(32)
    const [alice, bob] = [await nodes.node({ identity: { seed } }), await nodes.echo({ allow: [identityFromSeed(seed).id] })]
    expect(await exchange(await alice.connect(bob.address), 'x')).toBe('x')
  })

  it('refuses others who hold the address', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo({ allow: [] })]
    await expect(alice.connect(bob.address)).rejects.toMatchObject({ code: 'ERR_REFUSED' })
  })

  it('is silent to others who hold only the id', async () => {
    const mqtt = [(await nodes.broker()).url]
    const [alice, bob] = [await nodes.node({ mqtt }), await nodes.echo({ mqtt, allow: [] })]
    await expect(alice.connect(bob.id)).rejects.toMatchObject({ code: 'ERR_PEER_UNKNOWN' })
  })
})

describe('connectionLogic', () => {
  const start = (node: Node, peer: string) => {
    const machine = setup({
      types: { context: {} as { pipe: Pipe | undefined; failure: string | undefined }, events: {} as PipeOpened | { type: 'stop' } },
      actors: { connection: connectionLogic(node) },
    }).createMachine({
      context: { pipe: undefined, failure: undefined },
      initial: 'connecting',
      states: {
        connecting: {
          invoke: {
            id: 'connection', src: 'connection', input: { peer },
            onDone: { target: 'over', actions: assign({ failure: ({ event }) => event.output.failure?.code }) },
          },
          on: { stop: 'over' },
        },
        over: { type: 'final' },
      },
    })
    const actor = createActor(machine)
    const opened: Pipe[] = []
    actor.start()
    ;(actor.getSnapshot().children as Record<string, { on(type: string, listener: (event: PipeOpened) => void): void } | undefined>)['connection']
      ?.on('pipe.opened', ({ pipe }) => opened.push(pipe))
    return { actor, opened }
  }

  it('emits the pipe to the machine that invokes it, and ends with it', async () => {
    const [alice, bob] = [await nodes.node(), await nodes.echo()]
    const { actor, opened } = start(alice, bob.address)
    await expect.poll(() => opened.length, { timeout: 5_000, interval: 5 }).toBe(1)
    expect(await exchange(opened[0]!, 'x')).toBe('x')
    const { context } = await waitFor(actor, ({ status }) => status === 'done', { timeout: 5_000 })
    expect(context.failure).toBeUndefined()
  })

  it('ends with the failure of its attempt', async () => {
    const { actor } = start(await nodes.node(), 'bob.peer')
    const { context } = await waitFor(actor, ({ status }) => status === 'done', { timeout: 5_000 })
    expect(context.failure).toBe('ERR_PEER_UNKNOWN')
  })

  it('cancels its attempt when it is stopped', async () => {
    const bob = await nodes.echo({ authorize: () => new Promise<boolean>(() => {}) })
    const alice = await nodes.node()
    const dial = alice.dial.bind(alice)
    let attempt: ReturnType<Node['dial']> | undefined
    const { actor } = start({ ...alice, dial: (peer, options) => (attempt = dial(peer, options)) }, bob.address)
    await first(attempt!.candidates$, ({ status }) => status === 'secured')
    actor.send({ type: 'stop' })
    await expect(attempt!.pipe).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })
})
