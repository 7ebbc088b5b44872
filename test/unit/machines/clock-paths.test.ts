import { describe, expect, it } from 'vitest'
import { clockMachine, defaultClockPolicy } from '../../../machines/clock/clock.machine.js'
import type { ClockContext } from '../../../machines/clock/clock.types.js'
import { machineFaults } from '../../../scripts/docs/machine-page.js'
import { FakeActors, run, settled } from '../../support/machines/live.js'
import { eventNames, shortestPaths, simplePaths, stateNames, values, type Walk, type WalkedPath } from '../../support/machines/walk.js'

const failure = { code: 'ERR_CLOCK_UNSYNCHRONISED', message: 'no majority' }
const refusal = { ok: false, server: 'a', isFinal: true, failure: { code: 'ERR_TIME_SERVER_REFUSED', message: 'DENY' } }
const provided = (fakes = new FakeActors()) => clockMachine.provide({ actors: fakes.provide({ promises: ['sampleServers'], callbacks: ['watchClock'] }) })

const walk: Walk = {
  machine: provided(),
  input: { servers: ['a', 'b'], policy: { ...defaultClockPolicy, keepRounds: 2 } },
  facts: ({ estimate, refused, failures, steppedMs, lastFailure }: ClockContext) => [estimate !== undefined, refused.length > 0, Math.min(failures, 2), steppedMs !== 0, lastFailure?.code],
  samples: {
    'done sampleServers': [
      { answers: [], outcome: { ok: true, estimate: { offsetMs: 1, uncertaintyMs: 2, atMs: 3, source: 'a, b' } }, jitter: 0.5 },
      { answers: [], outcome: { ok: false, failure }, jitter: 0.5 },
      { answers: [refusal], outcome: { ok: false, failure }, jitter: 0.5 },
    ],
    'clock.stepped': [{ byMs: 60_000 }],
    'clock.stoodStill': [{ forMs: 60_000 }],
    'network.changed': [{}],
    'clock.stop': [{}],
  },
}

/** Walks a path with live actors: rounds end as the fakes say, everything else is the event it is. */
async function live({ steps }: WalkedPath) {
  const fakes = new FakeActors()
  const running = run(provided(fakes), walk.input)
  for (const { event } of steps.slice(1)) {
    const { type, output, error } = event as { type: string; output?: unknown; error?: unknown }
    if (type === 'xstate.done.actor.sampleServers') fakes.last('sampleServers').resolve(output)
    else if (type === 'xstate.error.actor.sampleServers') fakes.last('sampleServers').reject(error)
    else running.actor.send(event)
    await settled()
  }
  return { ...running, fakes }
}

describe('every path through the clock machine', () => {
  const shortest = shortestPaths(walk)
  const all = [...shortest, ...simplePaths(walk)]

  it('reaches every state', () => {
    expect([...new Set(shortest.map(({ state }) => state.value as string))].sort()).toEqual([...stateNames(clockMachine)].sort())
  })

  it('has an estimate whenever it says to be synchronised, and none when it says not to be', () => {
    for (const path of all) {
      for (const { state } of path.steps) {
        const { estimate, waitMs, policy } = state.context as ClockContext
        if (state.value === 'synchronised') expect(estimate, eventNames(path)).toBeDefined()
        if (state.value === 'unsynchronised') expect(estimate, eventNames(path)).toBeUndefined()
        expect(waitMs).toBeLessThanOrEqual(policy.resyncMs)
      }
    }
  })

  it('tells why whenever it is not synchronised', () => {
    for (const path of all) {
      for (const { state } of path.steps) if (state.value === 'unsynchronised') expect((state.context as ClockContext).lastFailure, eventNames(path)).toBeDefined()
    }
  })

  it('ends only by clock.stop', () => {
    for (const { state, steps } of all) if (state.status !== 'active') expect([state.value, steps.at(-1)?.event.type]).toEqual(['stopped', 'clock.stop'])
  })

  it('is what live actors do too, and leaves none of them behind', async () => {
    for (const path of all) {
      const { states, actor, fakes, stop } = await live(path)
      expect(states, eventNames(path)).toEqual(values(path))
      if (path.state.status === 'active') {
        // with silent servers time alone leads to a round, and a round to its end
        expect(['sampling', 'synchronised', 'unsynchronised']).toContain(actor.getSnapshot().value)
        actor.send({ type: 'clock.stop' })
      }
      expect(fakes.of('watchClock').filter(({ isStopped }) => !isStopped), eventNames(path)).toEqual([])
      stop()
    }
  })

  it('never waits for ever', async () => {
    for (const path of shortest) {
      const { actor, clock, fakes, stop } = await live(path)
      const before = fakes.of('sampleServers').length
      const isRound = actor.getSnapshot().value === 'sampling'
      if (isRound) clock.increment(defaultClockPolicy.roundLimitMs)
      clock.increment((actor.getSnapshot().context as ClockContext).waitMs)
      if (path.state.status === 'active') expect(fakes.of('sampleServers').length, eventNames(path)).toBe(before + 1)
      stop()
    }
  })

  it('describes its states and handles the error of each actor', () => {
    expect(machineFaults('clock', clockMachine)).toEqual([])
  })
})
