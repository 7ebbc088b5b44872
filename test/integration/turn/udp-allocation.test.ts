import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom } from 'rxjs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allocateUdp } from '../../../src/net/turn/allocate-udp.js'
import type { AllocationRequest } from '../../../src/net/turn/types.js'
import type { UdpAllocation } from '../../../src/net/turn/udp-types.js'
import type { TurnUrl } from '../../../src/protocol/turn-url.js'
import { coturnMissing, startCoturn, type Coturn } from '../../support/coturn.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { describeIf } from '../../support/requirements.js'
import { makeTlsFiles, opensslMissing } from '../../support/tls-files.js'
import { alice, urlOf } from '../../support/turn.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const open: { close(): Promise<unknown> }[] = []
let coturn: Coturn
let folder: string
let ca: string

const allocate = async (more: Partial<TurnUrl> = {}, request: Partial<AllocationRequest> = {}): Promise<UdpAllocation> => {
  const allocation = await allocateUdp({ server: urlOf(coturn, more), ...limits, ca, ...request })
  open.push(allocation)
  return allocation
}

const openPeer = async (): Promise<Socket> => {
  const peer = createSocket('udp4').bind(0, '127.0.0.1')
  await once(peer, 'listening')
  open.push({ close: async () => { peer.close(); await once(peer, 'close') } })
  return peer
}

const endpointOf = (peer: Socket) => ({ host: '127.0.0.1', port: peer.address().port })

afterEach(async () => {
  await Promise.all(open.splice(0).map(one => one.close()))
  await expectNoOpenSockets()
})

describeIf('a UDP allocation at coturn', coturnMissing ?? opensslMissing, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'throughline-turn-'))
    const tls = await makeTlsFiles(folder)
    ca = tls.cert
    coturn = await startCoturn({ hosts: ['127.0.0.1'], auth: { users: { [alice.username]: alice.password } }, tls })
  })
  afterAll(async () => {
    await coturn.close()
    await rm(folder, { recursive: true, force: true })
  })

  describe.each([
    ['UDP', { transport: 'udp' as const }],
    ['TCP', {}],
    ['TLS', { isTls: true, host: 'localhost' }],
  ])('over %s', (_name, url) => {
    it.each([['indications', false], ['a channel', true]])('carries datagrams both ways by %s', async (_way, isBound) => {
      const allocation = await allocate(url, { peers: ['127.0.0.1'] })
      const peer = await openPeer()
      if (isBound) await allocation.bind(endpointOf(peer), limits)
      const sent = randomBytes(1_201)
      expect(allocation.send(endpointOf(peer), sent)).toBe(true)
      const [received, source] = (await once(peer, 'message')) as [Buffer, { port: number }]
      expect(received.equals(sent)).toBe(true)
      expect(source.port).toBe(allocation.relayed.port)
      const coming = firstValueFrom(allocation.datagrams$)
      peer.send('back', allocation.relayed.port, '127.0.0.1')
      const datagram = await coming
      expect(datagram.peer).toEqual(endpointOf(peer))
      expect(String(datagram.bytes)).toBe('back')
    })

    it('lets nobody in without a permission', async () => {
      const allocation = await allocate(url)
      const [stranger, friend] = [await openPeer(), await openPeer()]
      const received: string[] = []
      allocation.datagrams$.subscribe(({ bytes }) => received.push(String(bytes)))
      stranger.send('before', allocation.relayed.port, '127.0.0.1')
      await new Promise(resolve => stranger.send('before', allocation.relayed.port, '127.0.0.1', resolve))
      await allocation.permit(['127.0.0.1'], limits)
      const coming = firstValueFrom(allocation.datagrams$)
      friend.send('after', allocation.relayed.port, '127.0.0.1')
      await coming
      expect(received).toEqual(['after'])
    })
  })

  it('joins two allocations', async () => {
    const [one, other] = [await allocate({ transport: 'udp' }, { peers: ['127.0.0.1'] }), await allocate({}, { peers: ['127.0.0.1'] })]
    const coming = firstValueFrom(other.datagrams$)
    one.send(other.relayed, Buffer.from('through both'))
    expect(await coming).toMatchObject({ peer: one.relayed, bytes: Buffer.from('through both') })
  })

  it('drops what is too long, and everything once it is closed', async () => {
    const allocation = await allocate({ transport: 'udp' }, { peers: ['127.0.0.1'] })
    expect(allocation.send({ host: '127.0.0.1', port: 9 }, Buffer.alloc(65_001))).toBe(false)
    await allocation.close()
    expect(allocation.send({ host: '127.0.0.1', port: 9 }, Buffer.alloc(1))).toBe(false)
    expect(await allocation.closed).toBeUndefined()
  })

  it('is told that user or password is wrong', async () => {
    await expect(allocate({ transport: 'udp', password: 'wrong' })).rejects.toMatchObject({ code: 'ERR_RELAY_CREDENTIALS' })
  })

  it('times out at a port that does not answer', async () => {
    const peer = await openPeer()
    await expect(allocate({ transport: 'udp', port: peer.address().port }, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_RELAY_TIMEOUT' })
  })
})
