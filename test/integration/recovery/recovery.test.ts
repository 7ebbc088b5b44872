import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ConnectionState, Node, NodeOptions, Pipe } from '../../../src/node/types.js'
import { CutSockets } from '../../support/cut-sockets.js'
import { first, Nodes } from '../node/nodes.js'
import { digest, Flow } from './flow.js'

let sockets: CutSockets
beforeAll(() => {
  sockets = new CutSockets()
})
afterAll(() => sockets[Symbol.dispose]())

interface Scene {
  readonly nodes: Nodes
  readonly dialler: Node
  readonly listener: Node
  readonly pipe: Pipe
  readonly served: Pipe
}

/** Two nodes with a broker between them, and a pipe. */
async function connected(options: NodeOptions = {}, strategies: readonly ('direct' | 'reverse')[] = ['direct', 'reverse']): Promise<Scene> {
  const nodes = new Nodes()
  onTestFinished(() => nodes[Symbol.asyncDispose]())
  const { url } = await nodes.broker()
  const [dialler, listener] = await Promise.all([nodes.node({ mqtt: [url], ...options }), nodes.node({ mqtt: [url], ...options })])
  const serving = new Promise<Pipe>(resolve => void listener.handle('', pipe => resolve(pipe)))
  const pipe = await dialler.connect(listener.address, { strategies })
  return { nodes, dialler, listener, pipe, served: await serving }
}

const statesOf = (pipe: Pipe): ConnectionState[] => {
  const states: ConnectionState[] = []
  pipe.state$.subscribe(state => states.push(state))
  return states
}

const whileFlowing = async ({ pipe, served }: Scene, run: () => Promise<void>): Promise<void> => {
  const flows = [new Flow(pipe), new Flow(served)]
  const received = Promise.all([digest(served), digest(pipe)])
  await run()
  const sent = await Promise.all(flows.map(flow => flow.stop()))
  expect(await received).toEqual(sent)
}

describe('a pipe whose path breaks', () => {
  it.each(['initiator', 'responder'])('is carried on by another channel, whole in both directions, when the socket of the %s is reset', async side => {
    const scene = await connected()
    const { pipe, served } = scene
    const states = [statesOf(pipe), statesOf(served)]
    await whileFlowing(scene, async () => {
      for (let cuts = 0; cuts < 3; cuts += 1) {
        const { local } = pipe.path
        const moved = first(pipe.path$, path => path.local !== local)
        sockets.cut((side === 'initiator' ? pipe : served).path.local)
        await moved
        await first(pipe.state$, state => state === 'connected')
        await first(served.state$, state => state === 'connected')
      }
    })
    expect(states[0]!.filter(state => state === 'recovering').length).toBeGreaterThanOrEqual(3)
    await vi.waitFor(() => expect(states.map(seen => seen.at(-1))).toEqual(['closed', 'closed']), { interval: 5 })
    expect(pipe.path.reason).toBe('recovery')
  })

  it('is carried on in reverse where the initiator cannot dial', async () => {
    const scene = await connected({}, ['reverse'])
    const { pipe } = scene
    await whileFlowing(scene, async () => {
      const { remote } = pipe.path
      const moved = first(pipe.path$, path => path.remote !== remote)
      sockets.cut(pipe.path.local)
      expect(await moved).toMatchObject({ strategy: 'reverse', reason: 'recovery' })
    })
  })

  it('fails on both sides, with what has arrived, when no other is found in time', async () => {
    const { listener, pipe, served } = await connected({ suspendMs: 300 }, ['direct'])
    pipe.write('twelve bytes')
    await first(served.data$)
    await vi.waitFor(() => expect(pipe.isIdle).toBe(true), { interval: 5 })
    const errors = Promise.all([pipe, served].map(one => new Promise<Error>(resolve => one.once('error', resolve))))
    const ended = [pipe, served].map(one => new Promise<string>(resolve => one.once('end', () => resolve('a clean end'))))
    // nobody accepts any more
    const closing = listener.close()
    sockets.cut(pipe.path.local)
    expect((await errors).map(error => (error as Error & { code: string }).code)).toEqual(['ERR_CONNECTION_LOST', expect.stringMatching(/^ERR_/)])
    expect((await errors)[0]!.message).toMatch(/of 12 bytes sent the peer has acknowledged 12/)
    expect(await Promise.race([...ended, Promise.resolve('none')])).toBe('none')
    await closing
  })

  it('fails at once where the application wants no waiting', async () => {
    const { pipe } = await connected({ suspendMs: 0 })
    const failed = new Promise<Error>(resolve => pipe.once('error', resolve))
    sockets.cut(pipe.path.local)
    expect(await failed).toMatchObject({ code: 'ERR_CONNECTION_LOST' })
  })
})

describe('repath', () => {
  it('moves a pipe under load between two paths, from either end, and loses nothing', async () => {
    const scene = await connected()
    const { pipe, served } = scene
    const states = statesOf(pipe)
    await whileFlowing(scene, async () => {
      for (const end of [pipe, served]) {
        for (const strategy of ['reverse', 'direct'] as const) {
          const moved = await end.repath({ strategies: [strategy] })
          expect(moved).toMatchObject({ strategy, reason: 'repath' })
          expect(end.path).toMatchObject({ strategy, local: moved.local })
        }
      }
    })
    await vi.waitFor(() => expect(states).toEqual(['connected', 'closed']), { interval: 5 })
  })

  it('leaves the pipe where it is when there is no other path, and says why', async () => {
    const { nodes, pipe, dialler } = await connected()
    const strangers = await nodes.node({ mqtt: [] })
    strangers.handle('', async one => void (await one.close()))
    const { local } = pipe.path
    await expect((await dialler.connect(strangers.address, { strategies: ['direct'] })).repath({ strategies: ['reverse'] })).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(NO_PATH|NO_BROKER|PIPE_CLOSED|PEER_OFFLINE)$/) })
    expect(pipe.path.local).toBe(local)
  })

  it('is cancelled by its signal, names unknown strategies, and refuses a closed pipe', async () => {
    const { pipe } = await connected()
    await expect(pipe.repath({ signal: AbortSignal.abort() })).rejects.toThrow()
    await expect(pipe.repath({ strategies: ['teleport' as 'direct'] })).rejects.toMatchObject({ code: 'ERR_STRATEGY_UNKNOWN' })
    const closed = new Promise(resolve => pipe.once('close', resolve))
    pipe.destroy()
    await closed
    await expect(pipe.repath()).rejects.toMatchObject({ code: 'ERR_PIPE_CLOSED' })
  })
})

describe('a peer that has restarted', () => {
  it('is recognised at once: it does not know the pipe', async () => {
    const nodes = new Nodes()
    onTestFinished(() => nodes[Symbol.asyncDispose]())
    const { url } = await nodes.broker()
    const seed = Buffer.alloc(32, 7)
    const start = async (listenPort: number) => {
      const node = await nodes.node({ mqtt: [url], identity: { seed }, listenPort })
      node.handle('', () => {})
      return node
    }
    const listener = await start(0)
    const dialler = await nodes.node({ mqtt: [url] })
    const pipe = await dialler.connect(listener.address, { strategies: ['direct'] })
    const failed = new Promise<Error>(resolve => pipe.once('error', resolve))
    const port = Number(pipe.path.remote.split(':').at(-1))
    const gone = listener.close()
    sockets.cut(pipe.path.local)
    await gone
    await start(port)
    expect(await failed).toMatchObject({ code: expect.stringMatching(/^ERR_(SESSION_UNKNOWN|NODE_CLOSED)$/) })
  })
})
