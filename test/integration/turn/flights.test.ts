import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { firstValueFrom } from 'rxjs'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { allocateTcp } from '../../../src/net/turn/allocate-tcp.js'
import type { AllocationRequest, TcpAllocation } from '../../../src/net/turn/types.js'
import { coturnMissing, startCoturn, type Coturn } from '../../support/coturn.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'
import { describeIf } from '../../support/requirements.js'
import { startTcpDelay } from '../../support/tcp-delay.js'
import { alice, urlOf } from '../../support/turn.js'

const signal = new AbortController().signal
const limits = { timeoutMs: 5_000, signal }
/** A machine that is busy must not look like one flight more. */
const eachWayMs = 60
const rttMs = 2 * eachWayMs
const open: { close(): Promise<unknown> }[] = []
const sockets: Socket[] = []
let coturn: Coturn
let delay: Awaited<ReturnType<typeof startTcpDelay>>

/** Round trips an action takes, TCP handshakes not counted: the delay begins behind them. */
async function flightsOf<T>(action: () => Promise<T>): Promise<{ result: T; flights: number }> {
  const start = performance.now()
  const result = await action()
  return { result, flights: Math.floor((performance.now() - start + 5) / rttMs) }
}

const allocate = async (more: Partial<AllocationRequest> = {}): Promise<TcpAllocation> => {
  const allocation = await allocateTcp({ server: urlOf(coturn, { port: delay.port }), ...limits, peers: ['127.0.0.1'], ...more })
  open.push(allocation)
  return allocation
}

const arrival = async (allocation: TcpAllocation) => {
  const coming = firstValueFrom(allocation.arrivals$)
  const peer = connect(allocation.relayed).on('error', () => {})
  sockets.push(peer)
  await once(peer, 'connect')
  return coming
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(open.splice(0).map(one => one.close()))
})

describeIf('round trips to coturn, besides TCP handshakes', coturnMissing, () => {
  beforeAll(async () => {
    coturn = await startCoturn({ hosts: ['127.0.0.1'], auth: { users: { [alice.username]: alice.password } } })
    delay = await startTcpDelay(coturn.port, eachWayMs)
  })
  afterAll(async () => {
    await delay.close()
    await coturn.close()
    await expectNoOpenSockets()
  })

  // now and then coturn does not take a permission in the flight of the allocation (400), which costs a third
  it('are two for an allocation with its permissions', async () => {
    await vi.waitFor(async () => expect((await flightsOf(() => allocate())).flights).toBe(2), { timeout: 10_000 })
  })

  it('are no fewer with the nonce of an earlier one: coturn has another for each connection', async () => {
    const { realm } = await allocate()
    await vi.waitFor(async () => expect((await flightsOf(() => allocate({ realm }))).flights).toBe(2), { timeout: 10_000 })
  })

  it('are one for a permission', async () => {
    const allocation = await allocate()
    expect((await flightsOf(() => allocation.permit(['127.0.0.9'], limits))).flights).toBe(1)
    expect((await flightsOf(() => allocation.permit(['127.0.0.9'], limits))).flights).toBe(0)
  })

  it('are one to bind a peer, over a connection opened ahead too, which is there already', async () => {
    const allocation = await allocate()
    const plain = await arrival(allocation)
    expect((await flightsOf(async () => sockets.push(await plain.accept(limits)))).flights).toBe(1)
    const { length } = delay.connections
    allocation.prepare()
    await vi.waitFor(() => expect(delay.connections).toHaveLength(length + 1))
    const prepared = await arrival(allocation)
    expect((await flightsOf(async () => sockets.push(await prepared.accept(limits)))).flights).toBe(1)
    expect(delay.connections).toHaveLength(length + 1)
  })

  it('are two to connect to a peer: CONNECT, and the bind on a connection that came up meanwhile', async () => {
    const [allocation, other] = [await allocate(), await allocate()]
    expect((await flightsOf(async () => sockets.push(await allocation.connect(other.relayed, limits)))).flights).toBe(2)
  })
})
