import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { Securer } from '../../../src/net/secure.js'
import { createCertificate } from '../../../src/protocol/certificate.js'
import { encodeFrame } from '../../../src/protocol/frames.js'
import { dialPort, newIdentity, newId, socketPair, wirePeer } from './channels.js'
import { startNode } from './nodes.js'

const never = new AbortController().signal
const request = (expectedId?: string, timeoutMs = 5_000) => ({ timeoutMs, signal: never, ...(expectedId !== undefined && { expectedId }) })

/** Resolves when the other side has closed the socket. */
function dropped(socket: Socket): Promise<boolean> {
  return new Promise(resolve => {
    const settle = () => resolve(true)
    socket.on('error', settle).on('end', settle).on('close', settle).resume()
  })
}

describe('mutual TLS', () => {
  it('proves both keys', async () => {
    const [alice, bob] = [newIdentity(), newIdentity()]
    const { dialled, accepted } = await socketPair()
    const [client, server] = await Promise.all([
      new Securer(alice).client(dialled, request(bob.id)),
      new Securer(bob).server(accepted, request()),
    ])
    expect([client.peerId, server.peerId]).toEqual([bob.id, alice.id])
    expect(client.socket.getProtocol()).toBe('TLSv1.3')
  })

  it('rejects a peer that holds another key', async () => {
    const { dialled, accepted } = await socketPair()
    const wanted = newIdentity()
    const served = new Securer(newIdentity()).server(accepted, request())
    served.catch(() => {})
    await expect(new Securer(newIdentity()).client(dialled, request(wanted.id))).rejects.toMatchObject({ code: 'ERR_PEER_KEY_MISMATCH' })
    expect(dialled.destroyed).toBe(true)
  })

  it('gives up a server that stays silent', async () => {
    const { dialled } = await socketPair()
    await expect(new Securer(newIdentity()).client(dialled, request(undefined, 50))).rejects.toMatchObject({ code: 'ERR_SECURE_TIMEOUT' })
    expect(dialled.destroyed).toBe(true)
  })

  it('ends when its signal fires', async () => {
    const { dialled } = await socketPair()
    const stop = new AbortController()
    const secured = new Securer(newIdentity()).client(dialled, { timeoutMs: 5_000, signal: stop.signal })
    stop.abort()
    await expect(secured).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
  })

  it('says so when the other end hangs up', async () => {
    const { dialled, accepted } = await socketPair()
    const secured = new Securer(newIdentity()).client(dialled, request())
    accepted.destroy()
    await expect(secured).rejects.toMatchObject({ code: 'ERR_SECURE_FAILED' })
  })
})

describe('a listening port', () => {
  it('drops a client without a certificate', async () => {
    const node = await startNode()
    const socket = connectTls({ socket: await dialPort(node), ALPNProtocols: ['throughline/1'], rejectUnauthorized: false })
    expect(await dropped(socket)).toBe(true)
  })

  it('drops a client that offers another ALPN protocol', async () => {
    const node = await startNode()
    const socket = connectTls({ socket: await dialPort(node), ...createCertificate(newIdentity()), ALPNProtocols: ['http/1.1'], rejectUnauthorized: false })
    expect(await dropped(socket)).toBe(true)
  })

  it('drops a client that offers no ALPN protocol', async () => {
    const node = await startNode()
    const socket = connectTls({ socket: await dialPort(node), ...createCertificate(newIdentity()), rejectUnauthorized: false })
    expect(await dropped(socket)).toBe(true)
  })

  it('drops what does not speak TLS', async () => {
    const node = await startNode()
    const socket = await dialPort(node)
    socket.write('GET / HTTP/1.1\r\n\r\n')
    expect(await dropped(socket)).toBe(true)
  })

  it('drops a socket that stays silent for 5 s', async () => {
    const node = await startNode()
    expect(await dropped(await dialPort(node))).toBe(true)
  }, 10_000)
})

describe('HELLO', () => {
  it.each([
    ['of another version', encodeFrame({ type: 'hello', version: 2, role: 'initiator', session: newId(), attempt: newId() })],
    ['of a responder whose attempt nobody knows', encodeFrame({ type: 'hello', version: 1, role: 'responder', session: newId(), attempt: newId() })],
    ['that names no role', Buffer.from([1, 0, 34, 1, 7, ...new Uint8Array(32)])],
    ['replaced by random bytes', Buffer.from('ffffff00112233', 'hex')],
    ['replaced by OPEN', encodeFrame({ type: 'open', epoch: 1, established: false, receivedOffset: 0, maxOffset: 0, protocol: '', reason: '' })],
    ['replaced by an unknown frame', Buffer.from([77, 0, 0])],
    ['longer than its frame may be', Buffer.from([1, 0xff, 0xff])],
  ])('%s closes the channel', async (_, bytes) => {
    const node = await startNode()
    const peer = await wirePeer(node)
    peer.channel.write(bytes)
    await peer.ended()
  })

  it('is answered with the same ids and the other role', async () => {
    const peer = await wirePeer(await startNode())
    peer.hello({ attempt: '11'.repeat(16) })
    expect(await peer.frame('hello')).toMatchObject({ role: 'responder', session: peer.session, attempt: '11'.repeat(16) })
  })

  it('may be followed by frames of later versions, which are skipped', async () => {
    const node = await startNode()
    node.handle('', () => {})
    const peer = await wirePeer(node)
    peer.hello()
    peer.channel.write(Buffer.from([200, 0, 2, 1, 2, 128, 0, 0]))
    peer.open()
    expect(await peer.frame('accept')).toMatchObject({ epoch: 1 })
  })

  it('without OPEN: the channel ends with the node, not after it', async () => {
    const node = await startNode()
    const peer = await wirePeer(node)
    peer.hello()
    await peer.frame('hello')
    const closing = node.close()
    expect(await peer.ended()).toBe('ended')
    peer.channel.end()
    await closing
  })
})
