import { describe, expect, it } from 'vitest'
import { encodeData } from '../../../src/protocol/data-frames.js'
import { encodeFrame } from '../../../src/protocol/frames.js'
import type { Pipe } from '../../../src/node/types.js'
import { wirePeer } from './channels.js'
import { endOf, startNode } from './nodes.js'

const data = (offset: number, bytes: Buffer) => encodeData([bytes], bytes.length, offset)
const window = 65_536

/** A hand-driven peer with an open pipe to a node. */
async function openPipe() {
  const node = await startNode()
  const serving = new Promise<Pipe>(resolve => void node.handle('', resolve))
  const peer = await wirePeer(node)
  peer.hello()
  peer.open()
  await peer.frame('accept')
  return { peer, pipe: await serving }
}

describe('a peer that breaks the rules loses the channel, and the pipe fails', () => {
  it.each([
    ['DATA beyond the credit', [data(0, Buffer.alloc(window + 1))]],
    ['DATA that leaves a gap', [data(5, Buffer.from('gap'))]],
    ['DATA after FIN', [encodeFrame({ type: 'fin', offset: 0 }), data(0, Buffer.from('more'))]],
    ['FIN before the bytes it follows', [encodeFrame({ type: 'fin', offset: 7 })]],
    ['FIN inside the bytes', [data(0, Buffer.from('bytes')), encodeFrame({ type: 'fin', offset: 2 })]],
    ['a second FIN elsewhere', [encodeFrame({ type: 'fin', offset: 0 }), encodeFrame({ type: 'fin', offset: 1 })]],
    ['ACK of bytes that were never sent', [encodeFrame({ type: 'ack', receivedOffset: 1, maxOffset: window })]],
    ['a DATA frame above 16 KiB', [Buffer.from([6, 0xff, 0xff, 0, 0, 0, 0, 0, 0])]],
    ['an empty DATA frame', [Buffer.from([6, 0, 6, 0, 0, 0, 0, 0, 0])]],
    ['a control frame above 1 KiB', [Buffer.concat([Buffer.from([7, 4, 1]), Buffer.alloc(1_025)])]],
    ['a frame with bytes left over', [Buffer.concat([Buffer.from([10, 0, 5]), Buffer.alloc(5)])]],
    ['a frame shorter than its content', [Buffer.from([10, 0, 3, 0, 0, 0])]],
    ['an unknown frame', [Buffer.from([99, 0, 0])]],
    ['a second HELLO', [encodeFrame({ type: 'hello', version: 1, role: 'initiator', session: '00'.repeat(16), attempt: '00'.repeat(16) })]],
    ['ACCEPT from the initiator', [encodeFrame({ type: 'accept', epoch: 1, receivedOffset: 0, maxOffset: 0 })]],
    ['a second OPEN on the channel', [encodeFrame({ type: 'open', epoch: 2, established: true, receivedOffset: 0, maxOffset: 0, protocol: '', reason: '' })]],
  ])('%s', async (_, frames) => {
    const { peer, pipe } = await openPipe()
    for (const bytes of frames) peer.channel.write(bytes)
    expect(await endOf(pipe)).toBe('ERR_PROTOCOL_VIOLATION')
    await peer.ended()
  })
})

describe('a peer that keeps the rules', () => {
  it('may send frames of later versions among its own', async () => {
    const { peer } = await openPipe()
    peer.channel.write(Buffer.concat([Buffer.from([130, 0, 3, 1, 2, 3]), data(0, Buffer.from('abc')), Buffer.from([255, 0, 0]), data(3, Buffer.from('def'))]))
    expect(await peer.frame('ack')).toMatchObject({ receivedOffset: 6 })
  })

  it('may send bytes again that have arrived', async () => {
    const { peer, pipe } = await openPipe()
    peer.channel.write(data(0, Buffer.from('abcd')))
    peer.channel.write(data(2, Buffer.from('cdef')))
    peer.channel.send({ type: 'fin', offset: 6 })
    expect(Buffer.concat(await pipe.toArray()).toString()).toBe('abcdef')
  })

  it('gets an answer to PING that carries its token', async () => {
    const { peer } = await openPipe()
    peer.channel.send({ type: 'ping', token: 4_000_000_000 })
    expect(await peer.frame('pong')).toEqual({ type: 'pong', token: 4_000_000_000 })
  })
})

describe('a peer that leaves', () => {
  it('after its FIN, with everything acknowledged, ends the pipe cleanly and all it sent can be read', async () => {
    const { peer, pipe } = await openPipe()
    pipe.write('answer')
    await peer.frame('data')
    peer.channel.write(data(0, Buffer.alloc(window, 7)))
    peer.channel.send({ type: 'ack', receivedOffset: 6, maxOffset: window })
    peer.channel.send({ type: 'fin', offset: window })
    peer.channel.end()
    await new Promise<void>(resolve => pipe.state$.subscribe({ complete: resolve }))
    expect(Buffer.concat(await pipe.toArray())).toHaveLength(window)
    expect(await endOf(pipe)).toBe('clean')
  })

  it('after its FIN, with bytes of ours unacknowledged, is an error', async () => {
    const { peer, pipe } = await openPipe()
    pipe.write('answer')
    await peer.frame('data')
    peer.channel.send({ type: 'fin', offset: 0 })
    peer.channel.end()
    expect(await endOf(pipe)).toBe('ERR_CONNECTION_LOST')
  })

  it('without FIN is an error, however cleanly its socket ends', async () => {
    const { peer, pipe } = await openPipe()
    peer.channel.write(data(0, Buffer.from('half of it')))
    peer.channel.send({ type: 'ack', receivedOffset: 0, maxOffset: window })
    peer.channel.end()
    expect(await endOf(pipe)).toBe('ERR_CONNECTION_LOST')
  })

  it('makes later writes fail with ERR_PIPE_CLOSED', async () => {
    const { peer, pipe } = await openPipe()
    peer.channel.write(data(0, Buffer.from('unread')))
    peer.channel.send({ type: 'fin', offset: 6 })
    peer.channel.end()
    await new Promise<void>(resolve => pipe.state$.subscribe({ complete: resolve }))
    const error = await new Promise(resolve => pipe.write('too late', resolve))
    expect(error).toMatchObject({ code: 'ERR_PIPE_CLOSED' })
    expect(await endOf(pipe)).toBe('ERR_PIPE_CLOSED')
  })

  it('is told by ABORT with its code, and nothing of a clean end', async () => {
    const { peer, pipe } = await openPipe()
    let hasEnded = false
    pipe.on('end', () => (hasEnded = true)).resume()
    peer.channel.write(data(0, Buffer.from('some')))
    peer.channel.send({ type: 'abort', code: 'ERR_INTERRUPTED' })
    expect(await endOf(pipe)).toBe('ERR_INTERRUPTED')
    expect(hasEnded).toBe(false)
  })

  it('with a code we do not know is told as ERR_PIPE_ABORTED', async () => {
    const { peer, pipe } = await openPipe()
    peer.channel.send({ type: 'abort', code: 'ERR_OF_THE_FUTURE' })
    expect(await endOf(pipe)).toBe('ERR_PIPE_ABORTED')
  })
})
