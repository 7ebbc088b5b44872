import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Volley } from '../../../src/nat/punch/volley.js'
import { freePort } from '../../support/free-port.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { channelsOf, hosts, identities, Punches, volleyOf } from './punches.js'

let punches: Punches
let ports: { readonly initiator: number; readonly responder: number }
beforeEach(async () => {
  punches = new Punches()
  ports = { initiator: await freePort(), responder: await freePort() }
})
afterEach(async () => {
  await punches[Symbol.asyncDispose]()
  await expectNoOpenSockets()
})

const volley = (role: 'initiator' | 'responder', rest: Partial<Volley> = {}): Volley =>
  ({ ...volleyOf(role, ports[role], ports[role === 'initiator' ? 'responder' : 'initiator']), ...rest })
/** One SYN, then it listens. */
const listens = { method: 'listen', listenMs: Number.POSITIVE_INFINITY } as const

describe('a punch', () => {
  it('joins who listens and who dials', async () => {
    const responder = punches.start('responder', volley('responder', listens))
    const initiator = punches.start('initiator', volley('initiator'))
    const [ours, theirs] = await channelsOf([initiator, responder])
    expect(ours).toMatchObject({ peerId: identities.responder.id, local: `127.0.0.2:${ports.initiator}`, remote: `127.0.0.3:${ports.responder}`, via: { strategy: 'punch', method: 'mapping' } })
    expect(theirs).toMatchObject({ peerId: identities.initiator.id, local: `127.0.0.3:${ports.responder}`, remote: `127.0.0.2:${ports.initiator}`, via: { strategy: 'punch', method: 'listen' } })
  })

  it('tells each step once, and says HELLO in the name of its side', async () => {
    const sides = [punches.start('responder', volley('responder', listens)), punches.start('initiator', volley('initiator'))]
    await channelsOf(sides)
    for (const [index, role] of ['responder', 'initiator'].entries()) {
      expect(sides[index]?.steps).toEqual([
        { type: 'connected', rttMs: expect.any(Number), remote: role === 'initiator' ? `127.0.0.3:${ports.responder}` : `127.0.0.2:${ports.initiator}`, atMs: expect.any(Number) },
        { type: 'secured', channel: expect.objectContaining({ owner: `key of the ${role}` }), hello: { type: 'hello', version: 1, role, session: 'aa'.repeat(16), attempt: 'bb'.repeat(16) }, atMs: expect.any(Number) },
      ])
    }
  })

  it.each(['initiator', 'responder'] as const)('has the initiator as TLS client when the %s is dialled', async listener => {
    const dialler = listener === 'initiator' ? 'responder' : 'initiator'
    const sides = [punches.start(listener, volley(listener, listens)), punches.start(dialler, volley(dialler))]
    const channels = await channelsOf(sides)
    expect(channels.map(({ isTlsServer }) => isTlsServer)).toEqual([listener === 'responder', dialler === 'responder'])
  })

  it('is joined late by a peer that was not there when it fired', async () => {
    const initiator = punches.start('initiator', volley('initiator'))
    await expect.poll(() => initiator.channel.counts.refused).toBeGreaterThan(1)
    await channelsOf([initiator, punches.start('responder', volley('responder', listens))])
    expect(initiator.channel.counts.syns).toBe(initiator.channel.counts.refused + 1)
  })

  it('finds the one port of a window that is the peer\'s', async () => {
    const around = [-2, -1, 0, 1, 2].map(distance => ports.responder + distance)
    const [ours] = await channelsOf([punches.start('initiator', volley('initiator', { method: 'predicted', remotePorts: around })), punches.start('responder', volley('responder', listens))])
    expect(ours?.remote).toBe(`127.0.0.3:${ports.responder}`)
  })

  it('finds the peer among random ports', async () => {
    const random = { low: ports.responder - 20, high: ports.responder + 20 }
    const responder = punches.start('responder', volley('responder', listens))
    await expect.poll(() => responder.channel.counts.refused).toBe(1)
    const initiator = punches.start('initiator', volley('initiator', { method: 'birthday', remotePorts: [], bursts: [41], random }))
    const [ours] = await channelsOf([initiator, responder])
    expect(ours?.remote).toBe(`127.0.0.3:${ports.responder}`)
  })

  it('takes the first of many fresh ports that dial it', async () => {
    const initiator = punches.start('initiator', volley('initiator', listens))
    await expect.poll(() => initiator.channel.counts.refused).toBe(1)
    const [ours, theirs] = await channelsOf([initiator, punches.start('responder', volley('responder', { method: 'birthday', localPorts: [0], bursts: [63] }))])
    expect(ours?.remote).toBe(theirs?.local)
  })

  it('dials from a port that listens for another volley', async () => {
    const elsewhere = await punches.serve(hosts.other)
    const local = punches.start('responder', volley('responder', listens))
    await expect.poll(() => local.channel.counts.refused).toBe(1)
    const other = punches.start('responder', volley('responder', { remoteHost: hosts.other, remotePorts: [elsewhere] }))
    await expect.poll(() => other.channel.isConnected).toBe(true)
    await channelsOf([local, punches.start('initiator', volley('initiator'))])
  })
})

describe('somebody else on the way of a punch', () => {
  it('with another key does not end it', async () => {
    const theirPort = await freePort()
    punches.start('responder', { ...volley('responder', listens), localPorts: [theirPort] }, { identity: identities.other })
    const initiator = punches.start('initiator', volley('initiator', { remotePorts: [theirPort, ports.responder] }))
    await expect.poll(() => initiator.channel.isConnected).toBe(true)
    const [ours] = await channelsOf([initiator, punches.start('responder', volley('responder', listens))])
    expect(ours?.remote).toBe(`127.0.0.3:${ports.responder}`)
  })

  it('with another attempt does not end it', async () => {
    const responder = punches.start('responder', volley('responder', listens))
    const stale = punches.start('initiator', volley('initiator', { localPorts: [await freePort()] }), { attemptId: 'cc'.repeat(16) })
    const [channel] = await channelsOf([stale])
    await new Promise<void>(resolve => channel?.frames$.subscribe({ error: () => resolve(), complete: resolve }))
    const [ours, theirs] = await channelsOf([punches.start('initiator', volley('initiator')), responder])
    expect(theirs?.remote).toBe(ours?.local)
  })

  it('who says nothing does not hold it up, and is ended by FIN', async () => {
    const ends: Promise<unknown>[] = []
    const silent = await punches.serve(hosts.responder, socket => ends.push(once(socket, 'end').then(() => socket.end())))
    const initiator = punches.start('initiator', volley('initiator', { remotePorts: [silent, ports.responder] }))
    await expect.poll(() => ends.length).toBe(1)
    await channelsOf([initiator, punches.start('responder', volley('responder', listens))])
    await Promise.all(ends)
  })

  it('in numbers is heard by fours', async () => {
    let came = 0
    let greeted = 0
    const silent = await Promise.all(Array.from({ length: 7 }, () => punches.serve(hosts.responder, socket => {
      came += 1
      socket.once('data', () => (greeted += 1))
    })))
    punches.start('initiator', volley('initiator', { remotePorts: silent }))
    await expect.poll(() => [came, greeted]).toEqual([7, 4])
  })

  it('in numbers does not hold it up for ever', async () => {
    const hangUps = await Promise.all(Array.from({ length: 6 }, () => punches.serve(hosts.responder, socket => socket.once('data', () => socket.destroy()))))
    punches.start('responder', volley('responder', listens))
    await channelsOf([punches.start('initiator', volley('initiator', { remotePorts: [...hangUps, ports.responder] }))])
  })

  it('who comes from another address is dropped at once', async () => {
    const responder = punches.start('responder', volley('responder', listens))
    await expect.poll(() => responder.channel.counts.refused).toBe(1)
    const stranger = connect({ host: hosts.responder, port: ports.responder, localAddress: hosts.other }).on('error', () => {}).resume()
    await once(stranger, 'close')
    expect(responder.channel.isConnected).toBe(false)
    await channelsOf([responder, punches.start('initiator', volley('initiator'))])
  })

  it.each(['initiator', 'responder'] as const)('who hung up before does not keep the %s from finding the peer at the same port', async dialler => {
    const listener = dialler === 'initiator' ? 'responder' : 'initiator'
    let hangUps = 0
    const server = createServer(socket => {
      hangUps += 1
      server.close()
      socket.on('error', () => {}).resume()
      setImmediate(() => socket.resetAndDestroy())
    }).listen(ports[listener], hosts[listener])
    await once(server, 'listening')
    const dialling = punches.start(dialler, volley(dialler))
    await once(server, 'close')
    await channelsOf([dialling, punches.start(listener, volley(listener, listens))])
    expect(hangUps).toBe(1)
  })

  it('who is dialled in vain is named in the failure', async () => {
    const hangUp = await punches.serve(hosts.responder, socket => socket.destroy())
    const { outcome } = punches.start('initiator', volley('initiator', { remotePorts: [hangUp] }))
    expect(await outcome).toMatchObject({ type: 'failed', failure: { code: 'ERR_PUNCH_TIMEOUT', message: expect.stringMatching(/^SYNs: 4 sent, 0 refused; connections: 4, the last in vain: .+/) } })
  })
})

describe('the end of a punch', () => {
  const isFree = async (host: string, port: number): Promise<void> => {
    const server = createServer().listen(port, host)
    await once(server, 'listening')
    server.close()
  }

  it('comes when its time is over, and tells what was seen', async () => {
    const { channel, outcome } = punches.start('initiator', volley('initiator'), { timeoutMs: 50 })
    expect(await outcome).toEqual({ type: 'failed', failure: { code: 'ERR_PUNCH_TIMEOUT', message: `SYNs: ${channel.counts.syns} sent, ${channel.counts.refused} refused` }, atMs: expect.any(Number) })
    expect(channel.counts.refused).toBeGreaterThan(0)
    await expectNoOpenSockets()
  })

  it('leaves no timer when it is through', async () => {
    const responder = punches.start('responder', volley('responder', listens))
    await expect.poll(() => responder.channel.counts.refused).toBe(1)
    await channelsOf([responder, punches.start('initiator', volley('initiator', { bursts: [1, 99], random: { low: 1_024, high: 1_123 } }))])
    expect(punches.timers.size).toBe(0)
  })

  it('comes at once when nothing more can come up', async () => {
    const random = { low: ports.responder, high: ports.responder + 9 }
    const { outcome } = punches.start('initiator', volley('initiator', { remotePorts: [], bursts: [10], random }))
    expect(await outcome).toMatchObject({ type: 'failed', failure: { message: 'SYNs: 10 sent, 10 refused' } })
  })

  it('comes at once when no SYN may leave', async () => {
    const { outcome } = punches.start('responder', volley('responder'), { maySend: () => false })
    expect(await outcome).toMatchObject({ type: 'failed', failure: { code: 'ERR_BUDGET' } })
  })

  it('leaves out the SYNs that may not leave', async () => {
    let asked = 0
    const { channel, outcome } = punches.start('responder', volley('responder', { remotePorts: [1, 2, 3, 4, 5] }), { maySend: () => [3, 4, 5].includes(++asked) })
    expect(await outcome).toMatchObject({ failure: { message: 'SYNs: 3 sent, 3 refused, 5 left out by a safety limit' } })
    expect(channel.counts).toEqual({ syns: 3, refused: 3, leftOut: 5 })
  })

  it('releases every socket and port when it is abandoned', async () => {
    const steps: unknown[] = []
    const silent = await punches.serve(hosts.initiator, socket => socket.once('end', () => socket.end()))
    const { channel } = punches.start('responder', volley('responder', { ...listens, localPorts: [ports.responder, 0, 0], remotePorts: [silent, ports.initiator] }))
    await expect.poll(() => channel.isConnected).toBe(true)
    channel.follow(step => steps.push(step))
    channel.abandon()
    await isFree(hosts.responder, ports.responder)
    await punches[Symbol.asyncDispose]()
    await expectNoOpenSockets()
    expect(steps).toEqual([])
  })

  it('ends the channel nobody took', async () => {
    const responder = punches.start('responder', volley('responder', listens))
    const initiator = punches.start('initiator', volley('initiator'))
    const [ours] = await channelsOf([initiator, responder])
    initiator.channel.abandon()
    expect(ours?.isOpen).toBe(true)
  })

  it('leaves the losers to FIN, not to RST', async () => {
    const seen: string[] = []
    // when we have ended it begins a long record of TLS; a reset would let the second write fail
    const record = Buffer.from([22, 3, 3, 64, 0])
    const watch = (socket: Socket) => socket
      .on('error', ({ message }) => seen.push(message))
      .on('end', () => socket.write(record, () => socket.end('and goes on')))
      .on('close', () => seen.push('closed'))
    const silent = await Promise.all(Array.from({ length: 6 }, () => punches.serve(hosts.responder, watch)))
    const responder = punches.start('responder', volley('responder', listens))
    await expect.poll(() => responder.channel.counts.refused).toBe(1)
    // three of them are in TLS when the peer is through, three wait
    await channelsOf([punches.start('initiator', volley('initiator', { remotePorts: [...silent.slice(0, 3), ports.responder, ...silent.slice(3)] }))])
    await expect.poll(() => seen).toEqual(new Array(6).fill('closed'))
  })
})
