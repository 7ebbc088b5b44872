import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Volley } from '../../../../src/nat/punch/volley.js'
import type { Arrival, VolleyRequest } from '../../../../src/net/punch/volley-request.js'
import { VolleySockets } from '../../../../src/net/punch/volley-sockets.js'
import { FakeClock } from '../../../support/fake-clock.js'
import { freePort } from '../../../support/free-port.js'
import { expectNoOpenSockets } from '../../../support/open-sockets.js'

const host = '127.0.0.2'
const remoteHost = '127.0.0.3'
let clock: FakeClock
let port: number
let remotePort: number
const volleys: VolleySockets[] = []
const arrivals: Arrival[] = []
const servers: Server[] = []
let spent: number
/** Begins the bursts of the volley that waits. */
let begin: (() => void) | undefined
let isFree: boolean
let refusals: number
let isSecuring: boolean
beforeEach(async () => {
  clock = new FakeClock()
  port = await freePort()
  remotePort = await freePort()
  arrivals.length = 0
  spent = 0
  begin = undefined
  isFree = true
  refusals = 0
  isSecuring = false
})
afterEach(async () => {
  for (const volley of volleys.splice(0)) volley.stop()
  for (const server of servers.splice(0)) server.close()
  for (const { socket } of arrivals) socket.destroy()
  expect(clock.pending).toBe(0)
  await expectNoOpenSockets()
})

const takeTurn = (run: () => void): (() => void) => {
  if (isFree) run()
  else begin = run
  return () => (begin = undefined)
}

function fire(volley: Partial<Volley>, rest: Partial<VolleyRequest> = {}): VolleySockets {
  const sockets = new VolleySockets({
    volley: { method: 'mapping', scope: 'local', family: 4, host, localPorts: [port], remoteHost, remotePorts: [remotePort], delayMs: 0, ...volley },
    clock, random: () => 0.999, maySend: () => true, takeTurn, onRefusal: () => void (refusals += 1), isSecuring: () => isSecuring, onSocket: arrival => arrivals.push(arrival), onSpent: () => (spent += 1), ...rest,
  })
  volleys.push(sockets)
  sockets.start()
  return sockets
}

/** A server of the peer's; what comes is read. */
async function serve(at: number, onSocket: (socket: Socket) => void = () => {}): Promise<void> {
  const server = createServer(socket => onSocket(socket.on('error', () => {}).resume())).listen(at, remoteHost)
  servers.push(server)
  await once(server, 'listening')
}

const refusedTimes = (sockets: VolleySockets, count: number): Promise<void> => expect.poll(() => sockets.counts.refused, { interval: 2 }).toBe(count)

/** Whether somebody listens there, as soon as what was begun is done. */
const listens = async (at: string, on: number): Promise<boolean> => {
  await turn()
  const server = createServer().on('error', () => {})
  try {
    await once(server.listen(on, at), 'listening')
    return false
  } catch {
    return true
  } finally {
    server.close()
  }
}

describe('a volley', () => {
  it('sends from each of its ports to each of the peer\'s, at once', () => {
    expect(fire({ localPorts: [0, 0, 0], remotePorts: [remotePort, remotePort + 1] }).counts.syns).toBe(6)
  })

  it('waits as long as it is told before it begins', () => {
    const sockets = fire({ delayMs: 1_500 })
    clock.advance(1_499)
    expect(sockets.counts.syns).toBe(0)
    clock.advance(1)
    expect(sockets.counts.syns).toBe(1)
  })

  it('never sends to itself', () => {
    expect(fire({ remoteHost: host, localPorts: [port, port + 1], remotePorts: [port] }).counts.syns).toBe(1)
  })

  it('sends again after a refusal, from the same port: at once, then a little later', async () => {
    const sockets = fire({})
    await refusedTimes(sockets, 2)
    await serve(remotePort)
    clock.advance(1)
    await expect.poll(() => arrivals.length).toBe(1)
    expect(arrivals[0]?.socket.localPort).toBe(port)
  })

  it('tries again soon while another socket holds its pair of endpoints', async () => {
    const server = createServer().listen(port, host)
    await once(server, 'listening')
    const sockets = fire({})
    await expect.poll(() => clock.pending).toBe(1)
    server.close()
    await once(server, 'close')
    clock.advance(50)
    await refusedTimes(sockets, 2)
  })

  it('sends again from a port whose connection was hung up on, three times at most', async () => {
    await serve(remotePort)
    const sockets = fire({})
    await expect.poll(() => arrivals.length).toBe(1)
    await expect.poll(() => spent).toBe(1)
    for (const count of [1, 2, 3]) {
      arrivals.at(-1)?.socket.resetAndDestroy()
      arrivals.at(-1)?.onHangUp?.()
      expect(sockets.isSpent).toBe(false)
      clock.advance(1)
      await expect.poll(() => arrivals.length).toBe(1 + count)
    }
    arrivals.at(-1)?.onHangUp?.()
    expect(sockets.isSpent).toBe(true)
  })

  it('goes on from the fresh port it began with', async () => {
    const from: (number | undefined)[] = []
    await serve(remotePort, ({ remotePort: came }) => from.push(came))
    fire({ localPorts: [0] })
    await expect.poll(() => arrivals.length).toBe(1)
    arrivals[0]?.socket.resetAndDestroy()
    arrivals[0]?.onHangUp?.()
    clock.advance(1)
    await expect.poll(() => from.length).toBe(2)
    expect(from[1]).toBe(from[0])
  })

  it('tells how long its last SYN took', async () => {
    await serve(remotePort)
    fire({ delayMs: 700 })
    clock.advance(700)
    await expect.poll(() => arrivals.length).toBe(1)
    expect(arrivals[0]?.rttMs).toBe(0)
  })
})

describe('the bursts of a birthday punch', () => {
  const random = { low: 40_000, high: 49_999 }

  it('leave half a second apart', () => {
    const sockets = fire({ remotePorts: [], bursts: [100, 200], random })
    expect(sockets.counts.syns).toBe(100)
    clock.advance(499)
    expect(sockets.counts.syns).toBe(100)
    clock.advance(1)
    expect(sockets.counts.syns).toBe(300)
    clock.advance(2_000)
    expect(sockets.counts.syns).toBe(300)
  })

  it('go to each port once, beside those that are sent to anyway', () => {
    const sockets = fire({ remotePorts: [40_003], bursts: [50], random: { low: 40_000, high: 40_009 } })
    expect(sockets.counts.syns).toBe(10)
    clock.advance(500)
  })

  it('come from the last port', async () => {
    await serve(remotePort)
    fire({ localPorts: [await freePort(), port], remotePorts: [], bursts: [1], random: { low: remotePort, high: remotePort } })
    await expect.poll(() => arrivals.length).toBe(1)
    expect(arrivals[0]?.socket.localPort).toBe(port)
  })

  it('come from one fresh port', async () => {
    const from = new Set<number | undefined>()
    const ports = [remotePort, await freePort()]
    for (const at of ports) await serve(at, ({ remotePort: came }) => from.add(came))
    fire({ localPorts: [0], remotePorts: [ports[0] ?? 0], bursts: [1], random: { low: ports[1] ?? 0, high: ports[1] ?? 0 } })
    await turn()
    clock.advance(0)
    await expect.poll(() => arrivals.length).toBe(2)
    expect(from.size).toBe(1)
  })

  it('are not repeated; the port they come from listens', async () => {
    const sockets = fire({ remotePorts: [remotePort], bursts: [10], random })
    await refusedTimes(sockets, 11)
    clock.advance(500)
    expect(await listens(host, port)).toBe(true)
    connect({ host, port, localAddress: remoteHost }).on('error', () => {}).resume()
    await expect.poll(() => arrivals.length).toBe(1)
    expect([sockets.counts.syns, refusals, arrivals[0]?.isByChance]).toEqual([11, 11, true])
  })

  it('come from a fresh port each where no range is given; a port that was refused listens', async () => {
    const from: (number | undefined)[] = []
    const sockets = fire({ localPorts: [port], bursts: [3, 5] })
    await refusedTimes(sockets, 4)
    expect(await listens(host, port)).toBe(true)
    await serve(remotePort, ({ remotePort: came }) => from.push(came))
    clock.advance(500)
    await expect.poll(() => arrivals.length).toBe(5)
    expect([sockets.counts.syns, new Set(from).size, from.includes(port)]).toEqual([9, 5, false])
  })

  it('wait for their turn, and give it up when the last has had its time', async () => {
    isFree = false
    const sockets = fire({ remotePorts: [], bursts: [2], random })
    expect([sockets.counts.syns, sockets.isWaiting, sockets.isSpent]).toEqual([0, true, false])
    begin?.()
    expect([sockets.counts.syns, sockets.isWaiting]).toEqual([2, false])
    clock.advance(499)
    expect(begin).toBeDefined()
    clock.advance(1)
    expect(begin).toBeUndefined()
  })

  it('wait while something that came up is in securing', () => {
    const sockets = fire({ remotePorts: [], bursts: [2, 3], random })
    isSecuring = true
    clock.advance(500)
    expect(sockets.counts.syns).toBe(2)
    isSecuring = false
    clock.advance(500)
    expect(sockets.counts.syns).toBe(5)
  })
})

describe('a volley that listens', () => {
  it('does so after its first SYN, and to the end', async () => {
    const sockets = fire({ listenMs: Number.POSITIVE_INFINITY })
    await refusedTimes(sockets, 1)
    expect(await listens(host, port)).toBe(true)
    sockets.stop()
    expect(await listens(host, port)).toBe(false)
  })

  it('has no SYN to send, where it is told no ports of the peer\'s', async () => {
    const sockets = fire({ listenMs: Number.POSITIVE_INFINITY, remotePorts: [] })
    expect(await listens(host, port)).toBe(true)
    expect([sockets.counts.syns, sockets.isSpent]).toEqual([0, false])
  })

  it('does so on each of its ports', async () => {
    const other = await freePort()
    const sockets = fire({ listenMs: Number.POSITIVE_INFINITY, localPorts: [port, other] })
    await refusedTimes(sockets, 2)
    expect([await listens(host, port), await listens(host, other)]).toEqual([true, true])
  })

  it('leaves its port alone for 250 ms after a refusal', async () => {
    const sockets = fire({ listenMs: Number.POSITIVE_INFINITY })
    await refusedTimes(sockets, 1)
    clock.advance(249)
    expect(sockets.counts.syns).toBe(1)
    clock.advance(1)
    await refusedTimes(sockets, 2)
    expect(await listens(host, port)).toBe(true)
  })

  it('sends the rest when it has listened for its time', async () => {
    const sockets = fire({ listenMs: 400, localPorts: [port, 0], remotePorts: [remotePort, remotePort + 1] })
    // the first of each port
    expect(sockets.counts.syns).toBe(2)
    await refusedTimes(sockets, 2)
    for (let waited = 0; waited < 399; waited += 1) clock.advance(1)
    const before = sockets.counts.syns
    expect(await listens(host, port)).toBe(true)
    clock.advance(1)
    expect(sockets.counts.syns).toBeGreaterThanOrEqual(before + 2)
    expect(await listens(host, port)).toBe(false)
  })
})
