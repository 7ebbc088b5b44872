import { createHash, randomBytes } from 'node:crypto'
import { connect, createServer, type AddressInfo } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startCli, type CliProcess } from './cli-process.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const offline = ['--mqtt', 'none', '--stun', 'none', '--ntp', 'none', '--no-port-mapping', '--json']

async function startListener(args: string[], from: 'stdout' | 'stderr' = 'stdout'): Promise<{ listener: CliProcess; address: string }> {
  const listener = startCli('listen', ...offline, ...args)
  const { address } = (await listener.event('online', from)) as { address: string }
  return { listener, address }
}

/** Ends a command and tells how long it took. */
async function interrupt({ child, code }: CliProcess): Promise<{ exit: number | null; tookMs: number }> {
  const startedAtMs = performance.now()
  child.kill('SIGINT')
  return { exit: await code, tookMs: performance.now() - startedAtMs }
}

describe('connect and listen', () => {
  it('send a file and take the whole echo back, half-close included', async () => {
    const { address } = await startListener(['--echo'])
    const { child, code, event } = startCli('connect', address, ...offline)
    const sent = randomBytes(4 * 1024 ** 2)
    child.stdin.end(sent)
    expect(sha256(await buffer(child.stdout))).toBe(sha256(sent))
    expect(await code).toBe(0)
    expect(await event('closed', 'stderr')).toMatchObject({ bytesIn: sent.length, bytesOut: sent.length })
  })

  it('join stdin and stdout of both sides, and both end by themselves', async () => {
    const { listener, address } = await startListener(['--once'], 'stderr')
    const { child, code } = startCli('connect', address, ...offline)
    child.stdin.end('ping')
    listener.child.stdin.end('pong')
    expect(await Promise.all([text(child.stdout), text(listener.child.stdout)])).toEqual(['pong', 'ping'])
    expect(await Promise.all([code, listener.code])).toEqual([0, 0])
  })

  it('refuse a second pipe while stdin and stdout are taken', async () => {
    const { address } = await startListener([], 'stderr')
    const first = startCli('connect', address, ...offline)
    await first.event('connected', 'stderr')
    const second = startCli('connect', address, ...offline)
    expect(await second.event('failed', 'stderr')).toMatchObject({ code: 'ERR_BUSY' })
    expect(await second.code).toBe(5)
  })

  it('end though stdin is open when the other side has left', async () => {
    const { address } = await startListener(['--exec', 'echo bye', '--allow', 'any'])
    const { child, code } = startCli('connect', address, ...offline)
    expect(await text(child.stdout)).toBe('bye\n')
    expect(await code).toBe(0)
  })
})

describe('SIGINT', () => {
  it('ends an idle pipe by FIN within a second', async () => {
    const { listener, address } = await startListener(['--echo'])
    const connected = startCli('connect', address, ...offline)
    await connected.event('connected', 'stderr')
    const { exit, tookMs } = await interrupt(connected)
    expect(exit).toBe(130)
    expect(tookMs).toBeLessThan(1_000)
    expect(await listener.event('closed')).not.toHaveProperty('code')
  })

  it('aborts an upload the other side has not taken, and the other side says so', async () => {
    // Nobody reads the listener's stdout: its pipe fills up.
    const { listener, address } = await startListener([], 'stderr')
    const connected = startCli('connect', address, ...offline)
    await connected.event('connected', 'stderr')
    connected.child.stdin.write(Buffer.alloc(32 * 1024 ** 2))
    await listener.event('pipe', 'stderr')
    const { exit, tookMs } = await interrupt(connected)
    expect(exit).toBe(130)
    expect(tookMs).toBeLessThan(1_000)
    listener.child.stdout.resume()
    expect(await listener.event('closed', 'stderr')).toMatchObject({ code: 'ERR_INTERRUPTED' })
  })
})

describe('forward', () => {
  it('brings a target of the listener to a local port', async () => {
    const server = createServer({ allowHalfOpen: true }, socket => socket.pipe(socket))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const target = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const { address } = await startListener(['--forward', target, '--allow', 'any'])
    const forward = startCli('forward', '0', address, target, ...offline)
    const { bind } = (await forward.event('listening', 'stderr')) as { bind: string }
    const socket = connect({ port: Number(bind.split(':').at(-1)), host: '127.0.0.1', allowHalfOpen: true })
    socket.end('through two sockets and a pipe')
    expect(await text(socket)).toBe('through two sockets and a pipe')
    expect(await interrupt(forward)).toMatchObject({ exit: 130 })
  })
})

describe('ping', () => {
  it('shows the path and its round trip', async () => {
    const { address } = await startListener(['--echo'])
    const { event, code } = startCli('ping', address, '-c', '1', ...offline)
    expect(await event('pong')).toMatchObject({ seq: 1, strategy: 'direct', scope: 'local' })
    expect(await code).toBe(0)
  })
})
