import { describe, expect, it } from 'vitest'
import type { Pipe } from '../../../src/node/types.js'
import { newIdentity, wirePeer } from './channels.js'
import { endOf, startNode } from './nodes.js'

/** A node that serves `''`, and the pipes it was given. */
async function servingNode() {
  const node = await startNode()
  const pipes: Pipe[] = []
  node.handle('', pipe => void pipes.push(pipe))
  return { node, pipes }
}

const data = (offset: number, bytes: string): Buffer => {
  const frame = Buffer.alloc(9 + bytes.length)
  frame.writeUInt8(6)
  frame.writeUInt16BE(6 + bytes.length, 1)
  frame.writeUIntBE(offset, 3, 6)
  frame.write(bytes, 9)
  return frame
}

describe('an OPEN', () => {
  it('of an established session the node does not know is refused at once', async () => {
    const { node, pipes } = await servingNode()
    const peer = await wirePeer(node)
    peer.hello()
    peer.open(4, { established: true })
    expect(await peer.frame('refuse')).toMatchObject({ epoch: 4, code: 'ERR_SESSION_UNKNOWN' })
    expect(pipes).toEqual([])
  })

  it('with an epoch that is not above the last is refused, and the pipe goes on', async () => {
    const { node, pipes } = await servingNode()
    const first = await wirePeer(node, { identity: newIdentity() })
    first.hello()
    first.open(3)
    await first.frame('accept')
    const again = await wirePeer(node, { identity: newIdentity(), session: first.session })
    again.hello()
    again.open(3)
    await again.frame('accept')
    expect(pipes).toHaveLength(2)
    first.channel.write(data(0, 'still here'))
    expect(await first.frame('ack')).toMatchObject({ receivedOffset: 10 })
  })

  it('of the same peer with a stale epoch is refused', async () => {
    const { node } = await servingNode()
    const identity = newIdentity()
    const first = await wirePeer(node, { identity })
    first.hello()
    first.open(3)
    await first.frame('accept')
    const stale = await wirePeer(node, { identity, session: first.session })
    stale.hello()
    stale.open(3)
    expect(await stale.frame('refuse')).toMatchObject({ code: 'ERR_EPOCH_STALE' })
  })

  it('for a protocol nobody handles is refused', async () => {
    const peer = await wirePeer(await startNode())
    peer.hello()
    peer.open(1, { protocol: 'chat/1' })
    expect(await peer.frame('refuse')).toMatchObject({ code: 'ERR_UNHANDLED_PROTOCOL' })
    expect(await peer.ended()).toBe('ended')
  })

  it('is refused with the code the handler gives', async () => {
    const node = await startNode()
    node.handle('', () => {}, { accept: () => 'ERR_BUSY' })
    const peer = await wirePeer(node)
    peer.hello()
    peer.open()
    expect(await peer.frame('refuse')).toMatchObject({ code: 'ERR_BUSY' })
  })

  it('is answered by PENDING while the application thinks, then by ACCEPT', async () => {
    let answer: (allowed: boolean) => void = () => {}
    const node = await startNode({ authorize: () => new Promise(resolve => (answer = resolve)) })
    node.handle('', () => {})
    const peer = await wirePeer(node)
    peer.hello()
    peer.open()
    expect(await peer.frame('pending')).toMatchObject({ epoch: 1 })
    answer(true)
    await peer.frame('accept')
    expect(peer.frames.map(({ type }) => type)).toEqual(['hello', 'pending', 'accept'])
  })

  it('is refused when the application has not answered in 5 s', async () => {
    const node = await startNode({ authorize: () => new Promise(() => {}) })
    node.handle('', () => {})
    const peer = await wirePeer(node)
    peer.hello()
    peer.open()
    expect(await peer.frame('refuse')).toMatchObject({ code: 'ERR_REFUSED' })
  })

  it('is refused when the application says no, or fails', async () => {
    for (const authorize of [() => false, () => Promise.reject(new Error('database down'))]) {
      const node = await startNode({ authorize })
      node.handle('', () => {})
      const peer = await wirePeer(node)
      peer.hello()
      peer.open()
      expect(await peer.frame('refuse')).toMatchObject({ code: 'ERR_REFUSED' })
    }
  })

  it('that comes after the pipe has closed is told how it ended', async () => {
    const { node, pipes } = await servingNode()
    const identity = newIdentity()
    const peer = await wirePeer(node, { identity })
    peer.hello()
    peer.open()
    await peer.frame('accept')
    peer.channel.write(data(0, 'bye'))
    peer.channel.send({ type: 'fin', offset: 3 })
    pipes[0]?.resume().end()
    await peer.frame('fin')
    peer.channel.send({ type: 'ack', receivedOffset: 1, maxOffset: 65_536 })
    await peer.ended()
    const late = await wirePeer(node, { identity, session: peer.session })
    late.hello()
    late.open(2, { established: true })
    expect(await late.frame('accept')).toMatchObject({ epoch: 2, receivedOffset: 4, maxOffset: 4 })
    expect(await late.ended()).toBe('ended')
    expect(pipes).toHaveLength(1)
  })

  it('that comes after the pipe has failed does not make a second pipe', async () => {
    const { node, pipes } = await servingNode()
    const identity = newIdentity()
    const peer = await wirePeer(node, { identity })
    peer.hello()
    peer.open()
    await peer.frame('accept')
    pipes[0]?.abort('ERR_BUSY')
    await peer.frame('abort')
    const late = await wirePeer(node, { identity, session: peer.session })
    late.hello()
    late.open(2)
    expect(await late.frame('refuse')).toMatchObject({ code: 'ERR_SESSION_UNKNOWN' })
    expect(pipes).toHaveLength(1)
  })
})

describe('a lost ACCEPT', () => {
  it('leaves one pipe, whose first bytes are neither lost nor doubled, when the next channel opens', async () => {
    const { node, pipes } = await servingNode()
    const identity = newIdentity()
    const first = await wirePeer(node, { identity })
    first.hello()
    first.open(1)
    first.channel.write(data(0, 'hello'))
    await first.frame('accept')
    const [pipe] = pipes
    const heard: Buffer[] = []
    pipe?.on('data', (bytes: Buffer) => heard.push(bytes))
    pipe?.write('answer')
    await first.frame('data')
    first.channel.end()
    await first.ended()
    const second = await wirePeer(node, { identity, session: first.session })
    second.hello()
    second.open(2)
    second.channel.write(data(0, 'hello'))
    expect(await second.frame('accept')).toMatchObject({ epoch: 2, receivedOffset: 5 })
    second.channel.write(data(5, ' again'))
    await second.until(() => (second.received.toString() === 'answer' ? true : undefined))
    await second.until(() => second.frames.find(frame => frame.type === 'ack' && frame.receivedOffset === 11))
    expect(Buffer.concat(heard).toString()).toBe('hello again')
    expect(pipes).toHaveLength(1)
  })

  it('on a channel that is still up retires that channel', async () => {
    const { node, pipes } = await servingNode()
    const identity = newIdentity()
    const first = await wirePeer(node, { identity })
    first.hello()
    first.open(1)
    await first.frame('accept')
    const second = await wirePeer(node, { identity, session: first.session })
    second.hello()
    second.open(2)
    await second.frame('accept')
    expect(await first.ended()).toBe('ended')
    second.channel.write(data(0, 'on the second'))
    expect(await second.frame('ack')).toMatchObject({ receivedOffset: 13 })
    expect(pipes).toHaveLength(1)
  })
})

describe('a channel that dies', () => {
  it('between OPEN and ACCEPT costs the session nothing', async () => {
    let answer: (allowed: boolean) => void = () => {}
    const node = await startNode({ authorize: () => new Promise(resolve => (answer = resolve)) })
    const pipes: Pipe[] = []
    node.handle('', pipe => void pipes.push(pipe))
    const identity = newIdentity()
    const first = await wirePeer(node, { identity })
    first.hello()
    first.open(1)
    await first.frame('pending')
    first.channel.destroy()
    const second = await wirePeer(node, { identity, session: first.session })
    second.hello()
    second.open(2)
    await second.frame('hello')
    answer(true)
    expect(await second.frame('accept')).toMatchObject({ epoch: 2 })
    expect(pipes).toHaveLength(1)
  })

  it('after the pipe was used ends the pipe with an error', async () => {
    const { node, pipes } = await servingNode()
    const peer = await wirePeer(node)
    peer.hello()
    peer.open()
    await peer.frame('accept')
    peer.channel.send({ type: 'ack', receivedOffset: 0, maxOffset: 65_536 })
    peer.channel.end()
    expect(await endOf(pipes[0]!)).toBe('ERR_CONNECTION_LOST')
  })
})

describe('two peers that dial each other at once', () => {
  it('get two pipes', async () => {
    const [alice, bob] = await Promise.all([servingNode(), servingNode()])
    const [toBob, toAlice] = await Promise.all([alice.node.connect(bob.node.address), bob.node.connect(alice.node.address)])
    expect(toBob.session).not.toBe(toAlice.session)
    expect([alice.pipes.map(({ session }) => session), bob.pipes.map(({ session }) => session)]).toEqual([[toAlice.session], [toBob.session]])
    await Promise.all([toBob.close(), toAlice.close()])
  })
})

describe('a node that dials itself', () => {
  it('gets a working pipe', async () => {
    const { node } = await servingNode()
    node.handle('echo', pipe => void pipe.pipe(pipe))
    const pipe = await node.connect(node.address, { protocol: 'echo' })
    pipe.end('to myself')
    expect(Buffer.concat(await pipe.toArray()).toString()).toBe('to myself')
    expect(pipe.peer.id).toBe(node.id)
  })
})

describe('first bytes', () => {
  it('arrive once and before what is written later', async () => {
    const { node, pipes } = await servingNode()
    const dialler = await startNode()
    const pipe = await dialler.connect(node.address, { firstBytes: Buffer.from('first ') })
    pipe.end('then')
    pipes[0]?.end()
    expect(Buffer.concat(await pipes[0]!.toArray()).toString()).toBe('first then')
    pipe.resume()
    expect(await endOf(pipe)).toBe('clean')
  })

  it('do not reach the application of a node that refuses', async () => {
    const node = await startNode({ authorize: () => false })
    const pipes: Pipe[] = []
    node.handle('', pipe => void pipes.push(pipe))
    const dialler = await startNode()
    await expect(dialler.connect(node.address, { firstBytes: Buffer.from('secret') })).rejects.toMatchObject({ code: 'ERR_REFUSED' })
    expect(pipes).toEqual([])
  })
})
