import { beforeEach, describe, expect, it } from 'vitest'
import { clockMachine } from '../../../machines/clock/clock.machine.js'
import type { ClockContext, ClockPolicy, RoundOutput } from '../../../machines/clock/clock.types.js'
import type { Failure } from '../../../src/errors/index.js'
import type { TimeServerAnswer } from '../../../src/net/sntp-client.js'
import { FakeActors, pass, run, settled } from '../../support/machines/live.js'

const policy: ClockPolicy = { resyncMs: 900_000, retryMinMs: 15_000, keepRounds: 3, roundLimitMs: 10_000 }
const servers = ['a', 'b', 'c:1123']
const estimate = { offsetMs: 12, uncertaintyMs: 20, atMs: 1_000, source: 'a, b' }
const disagreement: Failure = { code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'no majority of the time servers agrees' }
const sampled = (server: string): TimeServerAnswer => ({ ok: true, server, sample: { server, offsetMs: 12, delayMs: 30, rootDistanceMs: 5, atMs: 900 } })
const denied = (server: string): TimeServerAnswer => ({ ok: false, server, isFinal: true, failure: { code: 'ERR_TIME_SERVER_REFUSED', message: 'DENY' } })

const agreed: RoundOutput = { answers: servers.map(sampled), outcome: { ok: true, estimate }, jitter: 0.5 }
const disagreed: RoundOutput = { answers: servers.map(sampled), outcome: { ok: false, failure: disagreement }, jitter: 0.5 }

let fakes: FakeActors
let clock: ReturnType<typeof run>
const start = (names: readonly string[] = servers) => {
  fakes = new FakeActors()
  clock = run(clockMachine.provide({ actors: fakes.provide({ promises: ['sampleServers'], callbacks: ['watchClock'] }) }), { servers: names, policy })
}
beforeEach(() => start())

const context = () => clock.actor.getSnapshot().context as ClockContext
const state = () => clock.actor.getSnapshot().value as string
const rounds = () => fakes.of('sampleServers').length
const send = (type: string, fields: object = {}) => clock.actor.send({ type, ...fields })
const finish = async (output: RoundOutput) => {
  fakes.last('sampleServers').resolve(output)
  await settled()
}
const waitOver = async () => {
  clock.clock.increment(context().waitMs)
  await settled()
}

describe('a round', () => {
  it('that a majority agrees on makes the clock synchronised', async () => {
    expect(fakes.last('sampleServers').input).toEqual({ servers, serverCount: 3 })
    await finish(agreed)
    expect(clock.states).toEqual(['"sampling"', '"synchronised"'])
    expect(context()).toMatchObject({ estimate, lastFailure: undefined, failures: 0, answers: agreed.answers })
  })

  it('without agreement leaves it unsynchronised, and tells why', async () => {
    await finish(disagreed)
    expect(state()).toBe('unsynchronised')
    expect(context()).toMatchObject({ estimate: undefined, lastFailure: disagreement, failures: 1, answers: disagreed.answers })
  })

  it('asks each server once, and sixteen at most', () => {
    start(['a', 'a', ...Array.from({ length: 30 }, (_, index) => `s${index}`)])
    expect(new Set(context().servers).size).toBe(16)
    expect(fakes.last('sampleServers').input).toEqual({ servers: context().servers, serverCount: 16 })
  })

  it('that never ends is given up', () => {
    clock.clock.increment(policy.roundLimitMs)
    expect(state()).toBe('unsynchronised')
    expect(context().lastFailure?.message).toMatch(/not asked in time/)
    expect(fakes.last('sampleServers').isStopped).toBe(true)
  })

  it('that breaks counts as one without result', async () => {
    fakes.last('sampleServers').reject(new Error('a defect'))
    await settled()
    expect(state()).toBe('unsynchronised')
    expect(context().lastFailure).toEqual({ code: 'ERR_INTERNAL', message: 'a defect' })
  })
})

describe('the next round', () => {
  it.each([[0, 450_000], [0.5, 675_000], [0.999, 899_550]])('comes between half and the whole of the period after agreement (jitter %f: %i ms)', async (jitter, waitMs) => {
    await finish({ ...agreed, jitter })
    expect(context().waitMs).toBeCloseTo(waitMs, 5)
    clock.clock.increment(waitMs - 1)
    expect(rounds()).toBe(1)
    clock.clock.increment(1)
    expect(rounds()).toBe(2)
  })

  it('comes sooner after a failure, then later each time, with full jitter under a doubling ceiling', async () => {
    const waits: number[] = []
    for (let round = 0; round < 8; round++) {
      await finish(disagreed)
      waits.push(context().waitMs)
      await waitOver()
    }
    expect(waits).toEqual([22_500, 37_500, 67_500, 127_500, 247_500, 457_500, 457_500, 457_500])
  })

  it('keeps the estimate in use while it runs', async () => {
    await finish(agreed)
    await waitOver()
    expect(state()).toBe('sampling')
    expect(context().estimate).toEqual(estimate)
  })

  it('replaces the estimate and ends the back-off when it agrees', async () => {
    await finish(disagreed)
    await waitOver()
    await finish(agreed)
    expect(context()).toMatchObject({ estimate, failures: 0, lastFailure: undefined, waitMs: 675_000 })
  })
})

describe('servers that are gone or turn to lying', () => {
  it('leave the estimate, which only ages, until so many rounds have failed', async () => {
    await finish(agreed)
    const seen: string[] = []
    for (let round = 0; round < policy.keepRounds; round++) {
      await waitOver()
      await finish(disagreed)
      seen.push(`${state()} ${context().estimate?.offsetMs}`)
    }
    expect(seen).toEqual(['synchronised 12', 'synchronised 12', 'unsynchronised undefined'])
  })

  it('that refuse for good are not asked again, and keep their last word', async () => {
    await finish({ ...disagreed, answers: [denied('a'), sampled('b'), sampled('c:1123')] })
    await waitOver()
    expect(fakes.last('sampleServers').input).toEqual({ servers: ['b', 'c:1123'], serverCount: 3 })
    await finish({ ...agreed, answers: [sampled('b'), sampled('c:1123')] })
    expect(context().answers).toEqual([denied('a'), sampled('b'), sampled('c:1123')])
  })

  it('are all asked again when the network changes', async () => {
    await finish({ ...disagreed, answers: [denied('a'), sampled('b'), sampled('c:1123')] })
    send('network.changed')
    expect(fakes.last('sampleServers').input).toEqual({ servers, serverCount: 3 })
  })
})

describe('a change of the network', () => {
  it('starts a round at once where the last one failed', async () => {
    await finish(disagreed)
    send('network.changed')
    expect([state(), rounds()]).toEqual(['sampling', 2])
  })

  it('starts a round under way anew', () => {
    send('network.changed')
    expect(rounds()).toBe(2)
    expect(fakes.of('sampleServers')[0]?.isStopped).toBe(true)
  })

  it('asks nobody while the clock is synchronised: an offset does not depend on it', async () => {
    await finish(agreed)
    send('network.changed')
    expect([state(), rounds()]).toEqual(['synchronised', 1])
  })

  it('starts a round where the estimate is an old one', async () => {
    await finish(agreed)
    await waitOver()
    await finish(disagreed)
    send('network.changed')
    expect([state(), rounds(), context().estimate]).toEqual(['sampling', 3, estimate])
  })
})

describe('a step of the system clock', () => {
  it('leaves the estimate as it is and has it checked by a round', async () => {
    await finish(agreed)
    send('clock.stepped', { byMs: 3_600_000 })
    expect([state(), rounds()]).toEqual(['sampling', 2])
    expect(context()).toMatchObject({ estimate, steppedMs: 3_600_000 })
  })

  it('does not disturb a round, and steps add up', () => {
    send('clock.stepped', { byMs: 3_600_000 })
    send('clock.stepped', { byMs: -600_000 })
    expect(rounds()).toBe(1)
    expect(context().steppedMs).toBe(3_000_000)
  })
})

describe('a suspension of the system', () => {
  it('voids the estimate at once and starts a round', async () => {
    await finish(agreed)
    send('clock.stoodStill', { forMs: 30_000 })
    expect([state(), rounds()]).toEqual(['sampling', 2])
    expect(context()).toMatchObject({ estimate: undefined, lastFailure: { code: 'ERR_CLOCK_UNSYNCHRONISED' } })
  })

  it('voids a round under way', () => {
    send('clock.stoodStill', { forMs: 30_000 })
    expect(fakes.of('sampleServers').map(({ isStopped }) => isStopped)).toEqual([true, false])
  })

  it('leaves the clock unsynchronised when nobody answers then', async () => {
    await finish(agreed)
    send('clock.stoodStill', { forMs: 30_000 })
    await finish(disagreed)
    expect(state()).toBe('unsynchronised')
  })
})

describe('the clock', () => {
  it('goes on when nobody can watch the clocks of the system', async () => {
    clock.actor.send({ type: 'xstate.error.actor.watchClock', error: new Error('no uptime'), actorId: 'watchClock' })
    expect([state(), context().lastFailure?.message]).toEqual(['sampling', 'no uptime'])
    await finish(agreed)
    expect(state()).toBe('synchronised')
  })

  it('stops when it is told to, and ends its actors', async () => {
    await finish(agreed)
    send('clock.stop')
    expect(clock.actor.getSnapshot()).toMatchObject({ value: 'stopped', status: 'done' })
    expect(fakes.last('watchClock').isStopped).toBe(true)
    await pass(clock.clock, 1_000_000, 100_000)
    expect(rounds()).toBe(1)
  })

  it('carries data only: its context survives JSON', async () => {
    await finish(agreed)
    const { lastFailure: _none, ...known } = context()
    expect(JSON.parse(JSON.stringify(context()))).toEqual(known)
  })
})
