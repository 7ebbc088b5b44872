import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { allocateTcp } from '../../../src/net/turn/allocate-tcp.js'
import { allocateUdp } from '../../../src/net/turn/allocate-udp.js'
import type { AllocationRequest, TcpAllocation } from '../../../src/net/turn/types.js'
import { coturnMissing, startCoturn, type Coturn, type CoturnOptions } from '../../support/coturn.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { describeIf } from '../../support/requirements.js'
import { makeTlsFiles, opensslMissing, type TlsFiles } from '../../support/tls-files.js'
import { acceptNext, alice, readBytes, urlOf } from '../../support/turn.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
const peers = ['127.0.0.1']
const open: { close(): Promise<unknown> }[] = []
const sockets: Socket[] = []
let coturn: Coturn
let folder: string

const start = async (options: readonly string[], more: CoturnOptions = {}): Promise<void> => {
  coturn = await startCoturn({ hosts: ['127.0.0.1'], auth: { users: { [alice.username]: alice.password } }, options, ...more })
}

const allocate = async (more: Partial<AllocationRequest> = {}): Promise<TcpAllocation> => {
  const allocation = await allocateTcp({ server: urlOf(coturn), ...limits, ...more })
  open.push(allocation)
  return allocation
}

const keep = <T extends Socket>(socket: T): T => {
  sockets.push(socket.on('error', () => {}))
  return socket
}

/** A peer connects, and both ends say something. */
async function expectToRelay(allocation: TcpAllocation): Promise<void> {
  const accepting = acceptNext(allocation, limits)
  const peer = keep(connect(allocation.relayed))
  await once(peer, 'connect')
  const stream = keep(await accepting)
  stream.write('ping')
  expect(String(await readBytes(peer, 4))).toBe('ping')
  peer.write('pong')
  expect(String(await readBytes(stream, 4))).toBe('pong')
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'throughline-turn-'))
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(open.splice(0).map(one => one.close()))
  await coturn.close()
  await rm(folder, { recursive: true, force: true })
  await expectNoOpenSockets()
})

describeIf('a TURN server', coturnMissing, () => {
  it('whose nonces are short-lived is asked again with the new one, at any time', async () => {
    await start(['--stale-nonce=1'])
    const allocation = await allocate({ peers })
    const { nonce } = allocation.realm
    await expect.poll(async () => {
      await allocation.permit([`127.0.0.${2 + Math.floor(performance.now() % 250)}`], limits)
      return allocation.realm.nonce
    }, { timeout: 6_000, interval: 300 }).not.toBe(nonce)
    await expectToRelay(allocation)
  })

  it('takes a nonce from long ago as a reason to send a new one, no more', async () => {
    await start([])
    await expectToRelay(await allocate({ peers, realm: { realm: 'throughline.test', nonce: '0123456789abcdef' } }))
  })

  it('asks nobody who he is, and is not told', async () => {
    await start([], { auth: undefined as never })
    const allocation = await allocate({ peers })
    expect(allocation.realm).toEqual({ realm: '', nonce: '' })
    await expectToRelay(await allocate({ peers, realm: allocation.realm }))
  })

  it('has a quota for each user, which is told', async () => {
    await start(['--user-quota=1'])
    const first = await allocate()
    await expect(allocate()).rejects.toMatchObject({ code: 'ERR_RELAY_QUOTA', facts: { turnCode: 486 } })
    await first.close()
    await expect.poll(() => allocate().then(() => 'again', () => 'not yet'), { timeout: 5_000 }).toBe('again')
  })

  it('forbids a peer, which costs nobody else his permission', async () => {
    await start(['--denied-peer-ip=127.0.0.9'])
    const allocation = await allocate({ peers: ['127.0.0.9', '127.0.0.1'] })
    await expectToRelay(allocation)
    await expect(allocation.permit(['127.0.0.1', '127.0.0.9'], limits)).rejects.toMatchObject({ code: 'ERR_RELAY_PEER', facts: { turnCode: 403 } })
    await expect(allocation.connect({ host: '127.0.0.9', port: 9 }, limits)).rejects.toMatchObject({ code: 'ERR_RELAY_PEER' })
  })

  it('does not relay TCP, and says so', async () => {
    await start(['--no-tcp-relay'])
    await expect(allocate()).rejects.toMatchObject({ code: expect.stringMatching(/ERR_RELAY_(UNSUPPORTED|REFUSED)/) as string, message: expect.stringContaining('TCP') as string })
  })

  it('gives short lifetimes, which are refreshed in time', async () => {
    await start(['--max-allocate-lifetime=2'])
    const allocation = await allocate({ peers })
    const gone = allocation.closed.then(() => 'gone')
    expect(await Promise.race([gone, new Promise(resolve => setTimeout(resolve, 3_500, 'there'))])).toBe('there')
    await expectToRelay(allocation)
  })

  it('gives credentials for a time, made with its secret', async () => {
    await start([], { auth: { secret: 'north' } })
    const credentials = (expiry: number) => {
      const username = `${expiry}:alice`
      return { username, password: createHmac('sha1', 'north').update(username).digest('base64') }
    }
    const now = Math.floor(Date.now() / 1_000)
    await expectToRelay(await allocate({ peers, server: urlOf(coturn, credentials(now + 60)) }))
    await expect(allocate({ server: urlOf(coturn, credentials(now - 60)) })).rejects.toMatchObject({ code: 'ERR_RELAY_CREDENTIALS' })
  })

  it('dies, which its allocations notice', async () => {
    await start([])
    const allocation = await allocate({ peers })
    let isComplete = false
    allocation.arrivals$.subscribe({ complete: () => (isComplete = true) })
    await coturn.kill()
    expect(await allocation.closed).toMatchObject({ code: 'ERR_RELAY_LOST' })
    expect(isComplete).toBe(true)
    await expect(allocation.permit(['127.0.0.3'], limits)).rejects.toMatchObject({ code: 'ERR_RELAY_LOST' })
    await expect(allocation.connect({ host: '127.0.0.1', port: 9 }, limits)).rejects.toMatchObject({ code: 'ERR_RELAY_LOST' })
    await expect(allocate()).rejects.toMatchObject({ code: 'ERR_RELAY_UNREACHABLE' })
  })

  it('dies, which an allocation over UDP is told by the system', async () => {
    await start([])
    const allocation = await allocateUdp({ server: urlOf(coturn, { transport: 'udp' }), ...limits })
    open.push(allocation)
    await coturn.kill()
    await expect(allocation.permit(['127.0.0.3'], limits)).rejects.toMatchObject({ code: 'ERR_RELAY_LOST' })
    expect(await allocation.closed).toMatchObject({ code: 'ERR_RELAY_LOST' })
  })

  it('relays for IPv6', async () => {
    await start(['--relay-ip=::1'], { hosts: ['::1'] })
    await expectToRelay(await allocate({ peers: ['::1'] }))
  })

  it('has no IPv6 to relay for, and says so', async () => {
    await start(['--relay-ip=127.0.0.1'])
    await expect(allocate({ family: 6 })).rejects.toMatchObject({ code: 'ERR_RELAY_UNSUPPORTED', facts: { turnCode: 440 } })
  })

  it('is not asked for TCP where it is named for UDP', async () => {
    await start([])
    await expect(allocate({ server: urlOf(coturn, { transport: 'udp' }) })).rejects.toMatchObject({ code: 'ERR_RELAY_UNSUPPORTED' })
  })
})

describeIf('a TURN server with TLS', coturnMissing ?? opensslMissing, () => {
  let tls: TlsFiles
  beforeEach(async () => {
    tls = await makeTlsFiles(folder)
    await start([], { tls })
  })

  it.each(['127.0.0.1', 'localhost'])('is trusted as %s by its authority, and its data connections are TLS too', async host => {
    const allocation = await allocate({ server: urlOf(coturn, { isTls: true, host }), peers, ca: tls.cert })
    allocation.prepare()
    await expectToRelay(allocation)
    expect((sockets.at(-1) as TLSSocket).encrypted).toBe(true)
  })

  it('is set up as docs/deploy.md has it: TLS, credentials for a time, quotas, and peers that are denied', async () => {
    await coturn.close()
    const denied = ['0.0.0.0-0.255.255.255', '10.0.0.0-10.255.255.255', '127.0.0.0-127.255.255.255', '192.168.0.0-192.168.255.255', '::1', 'fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']
    await start([
      '--relay-ip=127.0.0.1', '--stale-nonce=600', '--user-quota=16', '--total-quota=1200', '--max-allocate-lifetime=3600', '--min-port=49152', '--max-port=65535',
      '--no-multicast-peers', ...denied.map(range => `--denied-peer-ip=${range}`), '--allowed-peer-ip=127.0.0.1',
    ], { tls, auth: { secret: 'north' } })
    const username = `${Math.floor(Date.now() / 1_000) + 60}:alice`
    const password = createHmac('sha1', 'north').update(username).digest('base64')
    const allocation = await allocate({ server: urlOf(coturn, { isTls: true, host: 'localhost', username, password }), peers, ca: tls.cert })
    await expectToRelay(allocation)
    await expect(allocation.permit(['192.168.1.1'], limits)).rejects.toMatchObject({ code: 'ERR_RELAY_PEER' })
  })

  it('is not trusted without it', async () => {
    await expect(allocate({ server: urlOf(coturn, { isTls: true }) })).rejects.toMatchObject({ code: 'ERR_RELAY_TLS' })
  })

  it('is not trusted under another name', async () => {
    await expect(allocate({ server: urlOf(coturn, { isTls: true, host: 'ip6-localhost' }), ca: tls.cert })).rejects.toMatchObject({ code: expect.stringMatching(/ERR_RELAY_(TLS|UNREACHABLE)/) as string })
  })
})
