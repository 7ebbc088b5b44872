import { afterEach, describe, expect, it } from 'vitest'
import { createActor, fromCallback, toPromise, type AnyActorRef, type AnyEventObject } from 'xstate'
import { createClockActors } from '../../../machines/clock/clock.actors.js'
import type { TimeServerAnswer } from '../../../src/net/sntp-client.js'
import { FakeClock } from '../../support/fake-clock.js'

const minuteMs = 60_000

/** The watch over clocks that the test sets, and what it told. */
function watch() {
  const clock = new FakeClock()
  const system = { steppedMs: 0, sleptMs: 0 }
  const { watchClock } = createClockActors({
    clock, random: () => 0, randomBytes: size => Buffer.alloc(size),
    readings: () => ({ monotonicMs: clock.now(), systemMs: clock.wallNow() + system.steppedMs + system.sleptMs, uptimeMs: clock.now() + system.sleptMs }),
  })
  const told: AnyEventObject[] = []
  const parent = createActor(fromCallback(({ receive }) => receive(event => void told.push(event)))).start()
  const actor = createActor(watchClock, { parent } as never) as unknown as AnyActorRef & { _stop(): void }
  actor.start()
  return { clock, system, told, stop: () => actor._stop() }
}

describe('the watch over the clocks', () => {
  let stop: () => void = () => {}
  afterEach(() => stop())

  it('tells of a step once, within two seconds, and nothing while all is well', () => {
    const { clock, system, told, ...rest } = watch()
    stop = rest.stop
    clock.advance(10 * minuteMs)
    expect(told).toEqual([])
    system.steppedMs += 3_600_000
    clock.advance(2_000)
    expect(told).toEqual([{ type: 'clock.stepped', byMs: 3_600_000 }])
    clock.advance(10 * minuteMs)
    expect(told).toHaveLength(1)
  })

  it('tells of a suspension, and of the next one', () => {
    const { clock, system, told, ...rest } = watch()
    stop = rest.stop
    for (const forMs of [30_000, 8 * 60 * minuteMs]) {
      system.sleptMs += forMs
      clock.advance(2_000)
      expect(told.at(-1)).toEqual({ type: 'clock.stoodStill', forMs })
    }
  })

  it('tells of a clock that somebody sets every two seconds at most four times a minute', () => {
    const { clock, system, told, ...rest } = watch()
    stop = rest.stop
    for (let passed = 0; passed < 10 * minuteMs; passed += 2_000) {
      system.steppedMs += 1_000
      clock.advance(2_000)
    }
    expect(told.length).toBeLessThanOrEqual(40)
    expect(told.length).toBeGreaterThan(30)
  })

  it('leaves no timer when it is stopped', () => {
    const { clock, stop: end } = watch()
    expect(clock.pending).toBe(1)
    end()
    expect(clock.pending).toBe(0)
  })
})

describe('a round', () => {
  it('asks all servers at once and estimates from those that answered', async () => {
    const clock = new FakeClock()
    const asked: string[] = []
    const ask = async ({ server }: { readonly server: string }): Promise<TimeServerAnswer> => {
      asked.push(server)
      if (server === 'silent') return { ok: false, server, isFinal: false, failure: { code: 'ERR_TIME_SERVER_UNREACHABLE', message: 'no answer' } }
      return { ok: true, server, sample: { server, offsetMs: server === 'liar' ? 10_000 : 3, delayMs: 40, rootDistanceMs: 0, atMs: clock.now() } }
    }
    const { sampleServers } = createClockActors({ clock, random: () => 0.25, randomBytes: size => Buffer.alloc(size), ask })
    const servers = ['a', 'liar', 'silent', 'b']
    const actor = createActor(sampleServers, { input: { servers, serverCount: 4 } }).start()
    expect(asked).toEqual(servers)
    const { outcome, answers, jitter } = await toPromise(actor)
    expect(outcome).toEqual({ ok: true, estimate: { offsetMs: 3, uncertaintyMs: 20, atMs: 0, source: 'a, b' } })
    expect(answers.map(({ server, ok }) => [server, ok])).toEqual([['a', true], ['liar', true], ['silent', false], ['b', true]])
    expect(jitter).toBe(0.25)
  })
})
