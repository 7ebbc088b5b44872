import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { run } from '../../../src/cli/run.js'
import { ThroughlineError } from '../../../src/errors/index.js'
import { FakeNode, type FakePipe } from './fake-node.js'
import { FakeProcess, nextLine } from './fake-process.js'

const allow = ['--allow', 'any']
const process = () => new FakeProcess()
const portOf = (bind: unknown) => Number(/:(\d+)$/.exec(String(bind))?.[1])

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function targetServer(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, onSocket)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close())
  return (server.address() as AddressInfo).port
}

async function startForward(node: FakeNode, ...words: string[]) {
  const fake = process()
  const code = run(['forward', ...words, '--json'], fake, async () => node)
  const { event, bind } = JSON.parse(await nextLine(fake.stderr)) as Record<string, unknown>
  expect(event).toBe('listening')
  return { fake, code, port: portOf(bind) }
}

describe('forward', () => {
  it('gives each local connection a pipe of the protocol that names the target, half-close included', async () => {
    const node = new FakeNode({}, far => void far.pipe(far))
    const { fake, code, port } = await startForward(node, '0', 'tl1peer', 'LocalHost:80')
    for (const message of ['one', 'two']) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      socket.end(message)
      expect(await text(socket)).toBe(message)
    }
    fake.emit('SIGINT')
    expect(await code).toBe(130)
    expect(node.dials.map(({ options }) => options.protocol)).toEqual(['tl/forward/1 localhost:80', 'tl/forward/1 localhost:80'])
  })

  it('outlives a connection that fails, which the local program sees as a reset', async () => {
    const node = new FakeNode({}, () => {}, new ThroughlineError('ERR_PEER_OFFLINE', 'no sign of life'))
    const { fake, code, port } = await startForward(node, '127.0.0.1:0', 'tl1peer')
    for (let round = 0; round < 2; round++) {
      await expect(text(connect({ port, host: '127.0.0.1' }))).rejects.toMatchObject({ code: 'ECONNRESET' })
    }
    expect(node.dials).toHaveLength(2)
    fake.emit('SIGINT')
    expect(await code).toBe(130)
    expect((await fake.events('stderr')).filter(({ event }) => event === 'failed')).toHaveLength(2)
  })

  it('resets the local connection when its pipe fails', async () => {
    const node = new FakeNode({}, far => far.abort('ERR_HANDLER_FAILED'))
    const { fake, code, port } = await startForward(node, '0', 'tl1peer')
    await expect(text(connect({ port, host: '127.0.0.1' }))).rejects.toMatchObject({ code: 'ECONNRESET' })
    fake.emit('SIGINT')
    expect(await code).toBe(130)
  })

  it('ends when the peer can never work', async () => {
    const node = new FakeNode({}, () => {}, new ThroughlineError('ERR_ADDRESS_INVALID', 'the address is truncated'))
    const { code, port } = await startForward(node, '0', 'tl1peer')
    await text(connect({ port, host: '127.0.0.1' })).catch(() => {})
    expect(await code).toBe(2)
  })

  it('says that the port is taken, before a node is made', async () => {
    const port = await targetServer(() => {})
    const fake = process()
    let isMade = false
    expect(await run(['forward', String(port), 'tl1peer'], fake, async () => ((isMade = true), new FakeNode()))).toBe(1)
    expect(await fake.written('stderr')).toMatch(/cannot listen on 127\.0\.0\.1:\d+.*ERR_PORT_IN_USE/)
    expect(isMade).toBe(false)
  })
})

describe('listen --forward', () => {
  it('connects pipes to their target, and unnamed ones to the only target', async () => {
    const port = await targetServer(socket => socket.pipe(socket))
    const fake = process()
    const node = new FakeNode()
    const code = run(['listen', '--forward', `127.0.0.1:${port}`, ...allow, '--json'], fake, async () => node)
    await nextLine(fake.stdout)
    for (const protocol of [`tl/forward/1 127.0.0.1:${port}`, '']) {
      const pipe = node.open(protocol) as FakePipe
      pipe.end('through')
      expect(await text(pipe)).toBe('through')
    }
    expect(node.open('tl/forward/1 127.0.0.1:1')).toBe('ERR_UNHANDLED_PROTOCOL')
    fake.emit('SIGINT')
    expect(await code).toBe(130)
  })

  it('tells the peer that the target is not there', async () => {
    const fake = process()
    const node = new FakeNode()
    const code = run(['listen', '--forward', '127.0.0.1:1', '[::1]:1', ...allow], fake, async () => node)
    await nextLine(fake.stderr)
    await nextLine(fake.stderr)
    expect(node.open('')).toBe('ERR_UNHANDLED_PROTOCOL')
    const pipe = node.open('tl/forward/1 127.0.0.1:1') as FakePipe
    await expect(text(pipe)).rejects.toMatchObject({ code: 'ERR_HANDLER_FAILED' })
    fake.emit('SIGINT')
    expect(await code).toBe(130)
    expect(await fake.written('stderr')).toMatch(/cannot connect to 127\.0\.0\.1:1/)
  })

  it('aborts the pipe when the target resets', async () => {
    const port = await targetServer(socket => socket.resetAndDestroy())
    const fake = process()
    const node = new FakeNode()
    const code = run(['listen', '--once', '--forward', `127.0.0.1:${port}`, ...allow], fake, async () => node)
    await nextLine(fake.stderr)
    await nextLine(fake.stderr)
    await expect(text(node.open() as FakePipe)).rejects.toMatchObject({ code: 'ERR_HANDLER_FAILED' })
    expect(await code).toBe(6)
  })
})
