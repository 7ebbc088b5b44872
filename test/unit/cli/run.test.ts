import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { commandTable, optionTable } from '../../../src/cli/options.js'
import { run } from '../../../src/cli/run.js'
import { ThroughlineError } from '../../../src/errors/index.js'
import type { NodeOptions } from '../../../src/node/types.js'
import { FakeNode, type FakePipe } from './fake-node.js'
import { FakeProcess, nextLine } from './fake-process.js'

const session = 'ab'.repeat(16)
const peer = 'r'.repeat(52)
const path = { strategy: 'direct', scope: 'local', family: 4, local: '127.0.0.1:40000', remote: '127.0.0.1:50000' }

/** Starts a command with a fake node. */
function start(args: string, { onDial, failure, process = new FakeProcess() }: { onDial?: (far: FakePipe) => void; failure?: ThroughlineError; process?: FakeProcess } = {}) {
  const nodes: FakeNode[] = []
  const createNode = async (options: NodeOptions) => {
    const node = new FakeNode(options, onDial, failure)
    nodes.push(node)
    return node
  }
  return { process, nodes, code: run(args.split(' ').filter(arg => arg !== ''), process, createNode) }
}

const echo = (far: FakePipe) => void far.pipe(far)
const turn = () => new Promise(resolve => setImmediate(resolve))

describe('help and version', () => {
  it('show every command', async () => {
    const { process, code } = start('--help')
    expect(await code).toBe(0)
    const shown = await process.written('stdout')
    for (const { name } of commandTable) expect(shown).toContain(`  ${name} `)
  })

  it.each(commandTable.map(row => row.name))('explain %s with examples and all its options within 80 columns', async name => {
    const { process, code } = start(`${name} --help`)
    expect(await code).toBe(0)
    const shown = await process.written('stdout')
    for (const { flag } of optionTable.filter(row => row.commands.includes(name))) expect(shown).toContain(flag)
    expect(shown).toContain('Examples:')
    expect(shown.split('\n').filter(line => line.length > 80 && !line.startsWith('Usage') && !line.startsWith('  throughline'))).toEqual([])
  })

  it('show the version of the package', async () => {
    const { process, code } = start('--version')
    expect(await code).toBe(0)
    expect(await process.written('stdout')).toBe(`${(JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version}\n`)
  })
})

describe('usage', () => {
  it.each(['', 'nonsense', 'connect', 'connect a --timeout x', 'forward x tl1a', 'forward 0 tl1a host', 'listen --echo --exec cat', 'listen --echo --protocol tl/x'])('ends `%s` with exit code 2 and one line', async args => {
    const { process, code } = start(args)
    expect(await code).toBe(2)
    expect(await process.written('stderr')).toMatch(/^throughline .*\n$/)
    expect(await process.written('stdout')).toBe('')
  })

  it('wants --allow with --exec and --forward', async () => {
    for (const args of ['listen --exec cat', 'listen --forward localhost:22']) {
      const { process, code, nodes } = start(args)
      expect(await code).toBe(2)
      expect(await process.written('stderr')).toContain('ERR_ALLOW_REQUIRED')
      expect(nodes).toEqual([])
    }
  })

  it('tells a usage error as an event too', async () => {
    const { process, code } = start('connect --json')
    expect(await code).toBe(2)
    expect(await process.events('stderr')).toMatchObject([{ event: 'error', code: 'ERR_USAGE' }])
  })
})

describe('connect', () => {
  it('takes stdin to the peer and the answer to stdout, and tells each event on stderr', async () => {
    const { process, code, nodes } = start('connect tl1peer --json --strategies direct --mqtt none --timeout 5s --protocol chat/1', { onDial: echo })
    process.stdin.end('hello')
    expect(await code).toBe(0)
    expect(await process.written('stdout')).toBe('hello')
    expect(await process.events('stderr')).toEqual([
      { event: 'state', session, value: 'resolving' },
      { event: 'state', session, value: 'connecting' },
      { event: 'state', session, value: 'connected' },
      { event: 'candidate', session, ...path, outcome: 'elected', elapsedMs: 5.5 },
      { event: 'connected', session, peer, protocol: 'chat/1', ...path, rttMs: 0.5, elapsedMs: 12.3 },
      { event: 'closed', session, bytesIn: 5, bytesOut: 5 },
    ])
    expect(nodes[0]?.options).toMatchObject({ inbound: false, mqtt: [] })
    expect(nodes[0]?.dials[0]).toMatchObject({ peer: 'tl1peer', options: { strategies: ['direct'], timeoutMs: 5_000, protocol: 'chat/1' } })
    expect(nodes[0]?.isClosed).toBe(true)
  })

  it('ends with the code of a failed attempt and tells verdict and candidates once', async () => {
    const { process, code } = start('connect tl1peer --json', { failure: new ThroughlineError('ERR_NO_PATH', 'no path') })
    expect(await code).toBe(4)
    const events = await process.events('stderr')
    expect(events.at(-1)).toEqual({
      event: 'failed',
      session,
      code: 'ERR_NO_PATH',
      message: 'no path',
      verdict: { code: 'ERR_NO_PATH', text: 'no path', advice: 'do this' },
      candidates: [{ ...path, outcome: 'failed', code: 'ERR_DIAL_REFUSED', elapsedMs: 5.5 }],
      elapsedMs: 12.3,
    })
  })

  it('lists the candidates for people before the sentence', async () => {
    const { process, code } = start('connect tl1peer', { failure: new ThroughlineError('ERR_NO_PATH', 'no path') })
    expect(await code).toBe(4)
    const lines = (await process.written('stderr')).trimEnd().split('\n')
    expect(lines.at(-2)).toMatch(/^ {2}direct .* failed, refused \(ERR_DIAL_REFUSED\)$/)
    expect(lines.at(-1)).toMatch(/^throughline connect: no path; .* \(ERR_NO_PATH\)$/)
    expect(await process.written('stdout')).toBe('')
  })

  it('ends with exit code 130 by FIN when it is interrupted idle', async () => {
    let received: Promise<string> | undefined
    const { process, code } = start('connect tl1peer --json', { onDial: far => void (received = text(far)) })
    await turn()
    process.emit('SIGINT')
    expect(await code).toBe(130)
    expect(await received).toBe('')
    expect(process.exits).toEqual([])
    expect(process.listenerCount('SIGINT')).toBe(0)
  })

  it('aborts with ERR_INTERRUPTED when it is interrupted with data unfinished', async () => {
    let far: FakePipe | undefined
    const { process, code } = start('connect tl1peer --json', { onDial: pipe => void (far = pipe) })
    process.stdin.write(Buffer.alloc(100_000))
    await turn()
    process.emit('SIGTERM')
    expect(await code).toBe(130)
    expect(far?.errored).toMatchObject({ code: 'ERR_INTERRUPTED' })
    expect((await process.events('stderr')).at(-1)).toMatchObject({ event: 'closed', code: 'ERR_INTERRUPTED' })
  })

  it('leaves at once on the second signal', async () => {
    const { process, code } = start('connect tl1peer', { onDial: () => {} })
    await turn()
    process.emit('SIGINT')
    process.emit('SIGINT')
    expect(process.exits).toEqual([130])
    await code
  })

  it('ends with exit code 6 when the peer aborts', async () => {
    const { process, code } = start('connect tl1peer', { onDial: far => far.abort('ERR_PIPE_ABORTED') })
    expect(await code).toBe(6)
    expect(await process.written('stderr')).toContain('(ERR_PIPE_ABORTED)')
  })

  it('aborts the pipe and stays quiet when the reader of stdout leaves', async () => {
    let far: FakePipe | undefined
    const { process, code } = start('connect tl1peer --json', { onDial: pipe => void (far = pipe) })
    await turn()
    process.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    expect(await code).toBe(6)
    expect(far?.errored).toMatchObject({ code: 'ERR_PIPE_ABORTED' })
    expect((await process.events('stderr')).map(({ event }) => event)).not.toContain('error')
  })
})

describe('listen', () => {
  it('tells that it is online, each pipe and its end on stdout, and echoes', async () => {
    const { process, code, nodes } = start('listen --echo --json')
    expect(JSON.parse(await nextLine(process.stdout))).toMatchObject({ event: 'online', id: peer, address: 'tl1fake', degraded: ['signalling'] })
    const pipe = nodes[0]?.open() as FakePipe
    pipe.end('hello')
    expect(await text(pipe)).toBe('hello')
    nodes[0]?.address$.next('tl1grown')
    await turn()
    process.emit('SIGINT')
    expect(await code).toBe(130)
    expect(await process.events('stdout')).toEqual([
      { event: 'pipe', session, peer: 'i'.repeat(52), protocol: '', ...path, rttMs: 0.5, elapsedMs: 5 },
      { event: 'state', session, value: 'connected' },
      { event: 'closed', session, bytesIn: 5, bytesOut: 5 },
      { event: 'address', address: 'tl1grown' },
    ])
    expect(await process.written('stderr')).toBe('')
  })

  it('gives stdin and stdout to the first pipe, refuses others, and keeps its events off stdout', async () => {
    const { process, code, nodes } = start('listen --json --once')
    await nextLine(process.stderr)
    const pipe = nodes[0]?.open() as FakePipe
    expect(nodes[0]?.open()).toBe('ERR_BUSY')
    process.stdin.end('from listen')
    pipe.end('from connect')
    expect(await text(pipe)).toBe('from listen')
    expect(await code).toBe(0)
    expect(await process.written('stdout')).toBe('from connect')
    expect((await process.events('stderr')).map(({ event }) => event)).toEqual(['pipe', 'state', 'closed'])
    expect(nodes[0]?.isClosed).toBe(true)
  })

  it('ends with the code of its only pipe with --once', async () => {
    const { process, code, nodes } = start('listen --once')
    await nextLine(process.stderr)
    const pipe = nodes[0]?.open() as FakePipe
    pipe.abort('ERR_INTERRUPTED')
    expect(await code).toBe(130)
  })

  it('outlives a pipe that fails', async () => {
    const { process, code, nodes } = start('listen --echo')
    await nextLine(process.stderr)
    ;(nodes[0]?.open() as FakePipe).abort('ERR_PIPE_ABORTED')
    await turn()
    const pipe = nodes[0]?.open() as FakePipe
    pipe.end('still here')
    expect(await text(pipe)).toBe('still here')
    process.emit('SIGINT')
    expect(await code).toBe(130)
    expect(await process.written('stderr')).toContain('(ERR_PIPE_ABORTED)')
  })

  it('warns when everybody may use a command', async () => {
    const { process, code } = start('listen --exec cat --allow any')
    expect(await nextLine(process.stderr)).toMatch(/everybody who can reach this node can use --exec/)
    process.emit('SIGINT')
    expect(await code).toBe(130)
  })

  it('runs a command for each pipe and ends the pipe with it', async () => {
    const { process, code, nodes } = start('listen --exec tr$IFS-d$IFS"x" --allow any --once')
    await nextLine(process.stderr)
    await nextLine(process.stderr)
    const pipe = nodes[0]?.open() as FakePipe
    pipe.end('axbxc')
    expect(await text(pipe)).toBe('abc')
    expect(await code).toBe(0)
  })

  it('tells the peer that a command is missing', async () => {
    const { process, code, nodes } = start('listen --exec no-such-command-here --allow any --once')
    await nextLine(process.stderr)
    await nextLine(process.stderr)
    const pipe = nodes[0]?.open() as FakePipe
    await expect(text(pipe)).rejects.toMatchObject({ code: 'ERR_HANDLER_FAILED' })
    expect(await code).toBe(6)
  })
})

describe('ping', () => {
  it('tells each answer and the verdict', async () => {
    const { process, code, nodes } = start('ping tl1peer -c 1 --json', { onDial: echo })
    expect(await code).toBe(0)
    const events = await process.events('stdout')
    expect(events.find(({ event }) => event === 'pong')).toMatchObject({ session, seq: 1, rttMs: expect.any(Number), strategy: 'direct', scope: 'local', local: path.local, remote: path.remote })
    expect(events.at(-1)).toMatchObject({ event: 'closed', bytesIn: 8, bytesOut: 8, verdict: { code: 'OK' } })
    expect(nodes[0]?.dials[0]?.options.protocol).toBe('tl/ping/1')
  })

  it('goes on until it is interrupted with -c 0', async () => {
    const { process, code } = start('ping tl1peer -c 0', { onDial: echo })
    expect(await nextLine(process.stdout)).toMatch(/^pong 1: .* ms, direct, local/)
    process.emit('SIGINT')
    expect(await code).toBe(130)
    expect(await process.written('stdout')).toContain('the direct path is the best there is')
  })

  it('refuses an answer of other bytes', async () => {
    const { code } = start('ping tl1peer', { onDial: far => void far.write(Buffer.alloc(8)) })
    expect(await code).toBe(6)
  })

  it('says that the peer left without an answer', async () => {
    const { process, code } = start('ping tl1peer', { onDial: far => void far.resume().end() })
    expect(await code).toBe(6)
    expect(await process.written('stderr')).toContain('before it answered')
  })
})
