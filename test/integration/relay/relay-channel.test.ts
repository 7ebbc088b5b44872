import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import type { ChannelStep } from '../../../src/net/channel-progress.js'
import { systemClock } from '../../../src/net/clock.js'
import { RelayChannel } from '../../../src/net/relay/relay-channel.js'
import { Securer } from '../../../src/net/secure.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'

const alice = identityFromSeed(randomBytes(32))
const bob = identityFromSeed(randomBytes(32))
const clock = systemClock()
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A relayed endpoint: what connects is given to `serve`, with its number. */
async function relayed(serve: (socket: Socket, number: number) => void): Promise<{ readonly port: number; readonly count: () => number }> {
  let count = 0
  const server: Server = createServer({ allowHalfOpen: true }, socket => {
    count += 1
    socket.on('error', () => {})
    closers.push(() => socket.destroy())
    serve(socket, count)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => new Promise(resolve => server.close(resolve)))
  return { port: (server.address() as { port: number }).port, count: () => count }
}

const session = { sessionKey: 'k', sessionId: '1'.repeat(32), attemptId: '2'.repeat(32) }

function dial(port: number, role: 'initiator' | 'responder', maySend = () => true): { readonly channel: RelayChannel; readonly last: Promise<ChannelStep> } {
  const channel = new RelayChannel({
    ...session, role, peerId: role === 'initiator' ? bob.id : alice.id, remote: { host: '127.0.0.1', port }, bind: undefined, timeoutMs: 5_000, allocation: undefined,
    relay: { way: 'dial', server: '198.51.100.1:3478', isAlone: true }, maySend,
  }, new Securer(role === 'initiator' ? alice : bob), clock)
  closers.push(() => channel.abandon())
  const last = new Promise<ChannelStep>(resolve => channel.follow(step => step.type !== 'connected' && resolve(step)))
  return { channel, last }
}

describe.each(['initiator', 'responder'] as const)('a dial of a relayed endpoint, as %s', role => {
  it.each(['FIN', 'RST'])('is made again when the relay hangs up by %s before a byte came', async how => {
    const { port, count } = await relayed((socket, number) => {
      if (number <= 2) return how === 'FIN' ? void socket.end() : void socket.resetAndDestroy()
    })
    dial(port, role)
    await expect.poll(count, { timeout: 2_000 }).toBe(3)
  })

  it('gives up when the relay hangs up every time, and says so', async () => {
    const { port, count } = await relayed(socket => socket.end())
    const { last } = dial(port, role)
    expect(await last).toMatchObject({ type: 'failed', failure: { code: 'ERR_RELAY_UNMET', message: expect.stringMatching(/hung up all 6 connections/) } })
    expect(count()).toBe(6)
  })

  it('is made no more often than it may', async () => {
    let left = 2
    const { port, count } = await relayed(socket => socket.end())
    expect(await dial(port, role, () => left-- > 0).last).toMatchObject({ type: 'failed' })
    expect(count()).toBe(2)
  })

  it('is not made again where nobody listens', async () => {
    const { port } = await relayed(() => {})
    await closers.pop()?.()
    expect(await dial(port, role).last).toMatchObject({ type: 'failed', failure: { code: 'ERR_DIAL_REFUSED' } })
  })
})

it('both ends of a relay come to a channel, on which the initiator is TLS client', async () => {
  const sockets: Socket[] = []
  const { port } = await relayed(socket => {
    sockets.push(socket)
    const [one, other] = sockets
    if (one !== undefined && other !== undefined) one.pipe(other).pipe(one)
  })
  const [mine, theirs] = await Promise.all([dial(port, 'initiator').last, dial(port, 'responder').last])
  expect([mine, theirs]).toMatchObject([
    { type: 'secured', channel: { peerId: bob.id, isTlsServer: false, remote: `127.0.0.1:${port}`, via: { strategy: 'relay', relay: '198.51.100.1:3478' } } },
    { type: 'secured', channel: { peerId: alice.id, isTlsServer: true } },
  ])
  for (const step of [mine, theirs]) if (step.type === 'secured') step.channel.destroy()
})
