import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createActor, waitFor } from 'xstate'
import { createClockActors } from '../../machines/clock/clock.actors.js'
import { clockMachine, defaultClockPolicy } from '../../machines/clock/clock.machine.js'
import { clockOffsetAt } from '../../src/nat/clock-estimate.js'
import { systemClock, type Clock } from '../../src/net/clock.js'
import { startSntpResponder } from '../../src/net/sntp-responder.js'
import { chronyMissing, startChrony, type Chrony } from '../support/chrony.js'
import { describeIf } from '../support/requirements.js'
import { startUdpDelay } from '../support/udp-delay.js'

const system = systemClock()
const shifted = (byMs: number): Clock => ({ ...system, wallNow: () => system.wallNow() + byMs })

/** By how much the system's clock is ahead of ours, to about 10 µs: read right after it ticks; whoever is held up in between reads less. */
function systemAheadMs(): number {
  const afterTick = () => {
    const before = Date.now()
    for (;;) {
      const now = Date.now()
      if (now !== before) return now - system.wallNow()
    }
  }
  return Math.max(...Array.from({ length: 5 }, afterTick))
}
const comparisonErrorMs = 0.02
/** setTimeout of the relay that delays; Node rounds to its loop’s time. */
const earlyTimerMs = 2

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})
/** Closes it after the test. */
const kept = <T extends { close(): unknown }>(value: T): T => {
  open.push(() => value.close())
  return value
}

/** A first round with real sockets, by a node whose wall clock is wrong. */
async function firstRound(servers: readonly string[], wrongByMs: number) {
  const clock = shifted(wrongByMs)
  const actors = createClockActors({ clock, randomBytes, random: Math.random })
  const actor = createActor(clockMachine.provide({ actors }), { input: { servers, policy: defaultClockPolicy } }).start()
  open.push(() => actor.send({ type: 'clock.stop' }))
  const { value, context } = await waitFor(actor, snapshot => snapshot.value !== 'sampling', { timeout: 15_000 })
  const { offsetMs, uncertaintyMs } = context.estimate === undefined ? { offsetMs: NaN, uncertaintyMs: NaN } : clockOffsetAt(context.estimate, clock.now())
  return { value, context, offsetMs, uncertaintyMs, errorMs: Math.abs(offsetMs - (systemAheadMs() - wrongByMs)) }
}

const startLiar = async (byMs: number) => `127.0.0.1:${kept(await startSntpResponder({ host: '127.0.0.1', port: 0, clock: shifted(byMs) })).port}`
const startHonest = () => startLiar(0)

async function startSilent(answer: Buffer | undefined) {
  const socket = kept(createSocket('udp4').bind(0, '127.0.0.1'))
  socket.on('message', (_bytes, { port, address }) => void (answer !== undefined && socket.send(answer, port, address)))
  await once(socket, 'listening')
  return `127.0.0.1:${socket.address().port}`
}

describeIf('the clock, by three chronyd', chronyMissing, () => {
  let chronies: readonly Chrony[]
  beforeAll(async () => {
    chronies = await Promise.all([2, 3, 4].map(last => startChrony({ host: `127.0.0.${last}` })))
  })
  afterAll(() => Promise.all((chronies ?? []).map(chrony => chrony.close())))

  it('is synchronised, and its uncertainty covers the error', async () => {
    const servers = chronies.map(({ server }) => server)
    const { value, context, errorMs, uncertaintyMs } = await firstRound(servers, 600_000)
    expect(value).toBe('synchronised')
    expect(context.estimate?.source).toBe(servers.join(', '))
    expect(errorMs).toBeLessThanOrEqual(uncertaintyMs + comparisonErrorMs)
    expect(uncertaintyMs).toBeLessThan(100)
  })

  it('does without one of them, and is not put off by a liar in its place', async () => {
    const [a, b] = chronies
    const liar = await startLiar(10_000)
    const { value, context, errorMs, uncertaintyMs } = await firstRound([a!.server, liar, b!.server], -50)
    expect(value).toBe('synchronised')
    expect(context.estimate?.source).toBe(`${a!.server}, ${b!.server}`)
    expect(errorMs).toBeLessThanOrEqual(uncertaintyMs + comparisonErrorMs)
  })
})

describe('the clock', () => {
  it('at 40 ms RTT is right within 5 ms beside a server that lies by ten seconds', async () => {
    const servers = await Promise.all([0, 10_000, 0].map(async lieMs => {
      const { port } = kept(await startSntpResponder({ host: '127.0.0.1', port: 0, clock: shifted(lieMs) }))
      return kept(await startUdpDelay(port, 20)).server
    }))
    const { value, context, errorMs, uncertaintyMs } = await firstRound(servers, 123_456)
    expect(value).toBe('synchronised')
    expect(context.estimate?.source).toBe(`${servers[0]}, ${servers[2]}`)
    expect(errorMs).toBeLessThanOrEqual(5)
    expect(errorMs).toBeLessThanOrEqual(uncertaintyMs + comparisonErrorMs)
    // half the round trip; each timer of the delay may be early
    expect(uncertaintyMs).toBeGreaterThanOrEqual(20 - earlyTimerMs)
  })

  it('does without a server that is silent and one that sends garbage', async () => {
    const servers = [await startHonest(), await startSilent(undefined), await startSilent(randomBytes(48)), await startHonest()]
    const { value, context, errorMs, uncertaintyMs } = await firstRound(servers, 0)
    expect(value).toBe('synchronised')
    expect(errorMs).toBeLessThanOrEqual(uncertaintyMs + comparisonErrorMs)
    expect(context.answers.map(answer => answer.ok || answer.failure.code)).toEqual([true, 'ERR_TIME_SERVER_UNREACHABLE', 'ERR_TIME_SERVER_UNREACHABLE', true])
  })

  it('is unsynchronised, with the reason, when nobody answers', async () => {
    const { value, context } = await firstRound([await startSilent(undefined), '127.0.0.1:1', 'nobody.invalid'], 0)
    expect(value).toBe('unsynchronised')
    expect(context).toMatchObject({ estimate: undefined, lastFailure: { code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'none of 3 time servers gave a time' } })
  })

  it('is unsynchronised, with the reason, when two servers contradict each other', async () => {
    const { value, context } = await firstRound([await startHonest(), await startLiar(10_000)], 0)
    expect(value).toBe('unsynchronised')
    expect(context.lastFailure?.message).toMatch(/^no majority of the time servers agrees: .*says \+10000\.\d ms$/)
  })

  it('is unsynchronised, with the reason, without a server', async () => {
    const { value, context } = await firstRound([], 0)
    expect([value, context.lastFailure?.message]).toEqual(['unsynchronised', 'there is no time server to ask'])
  })
})
