import { describe, expect, it } from 'vitest'
import { createActor, fromPromise, SimulatedClock, waitFor } from 'xstate'
import { getShortestPaths, getSimplePaths } from 'xstate/graph'
import { signallingMachine } from '../../../machines/signalling/signalling.machine.js'
import type { ConnectLinkOutput, SignallingContext, SignallingPolicy, WatchLinkOutput } from '../../../machines/signalling/signalling.types.js'
import type { Failure } from '../../../src/errors/index.js'

const policy: SignallingPolicy = { backoffMinMs: 1_000, backoffMaxMs: 60_000, connectLimitMs: 6_000 }
const input = { brokerId: 'mqtt://broker.example:1883', policy }
const failure: Failure = { code: 'ERR_BROKER_UNREACHABLE', message: 'nobody there' }
const lost: Failure = { code: 'ERR_BROKER_LOST', message: 'gone' }

/** A call of a fake actor that the test answers. */
interface Call<TInput, TOutput> {
  readonly input: TInput
  readonly signal: AbortSignal
  resolve(output: TOutput): void
  reject(error: unknown): void
}

function fakeActor<TOutput, TInput>() {
  const calls: Call<TInput, TOutput>[] = []
  const logic = fromPromise<TOutput, TInput>(
    ({ input: given, signal }) => new Promise<TOutput>((resolve, reject) => void calls.push({ input: given, signal, resolve, reject })),
  )
  return { logic, calls, last: () => calls.at(-1) ?? expect.fail('the actor was not started') }
}

function start() {
  const connect = fakeActor<ConnectLinkOutput, { readonly brokerId: string }>()
  const watch = fakeActor<WatchLinkOutput, { readonly linkId: string }>()
  const clock = new SimulatedClock()
  const actor = createActor(signallingMachine.provide({ actors: { connectLink: connect.logic, watchLink: watch.logic } }), { input, clock })
  const states: string[] = []
  actor.subscribe({ next: ({ value }) => void (states.at(-1) !== value && states.push(value)), error: () => {} })
  actor.start()
  const reached = (value: 'online' | 'backingOff' | 'stopped') => waitFor(actor, snapshot => snapshot.value === value)
  const succeed = async () => {
    connect.last().resolve({ ok: true, linkId: `link-${connect.calls.length}`, version: 5, rttMs: 12 })
    await reached('online')
  }
  const fail = async (jitter: number) => {
    connect.last().resolve({ ok: false, failure, jitter })
    await reached('backingOff')
  }
  const context = () => actor.getSnapshot().context
  return { actor, clock, connect, watch, states, reached, succeed, fail, context }
}

describe('the signalling machine', () => {
  it('connects, is online with the id of the link, and watches it', async () => {
    const { states, connect, watch, succeed, context } = start()
    expect(connect.last().input).toEqual({ brokerId: input.brokerId })
    await succeed()
    expect(states).toEqual(['connecting', 'online'])
    expect(context()).toMatchObject({ linkId: 'link-1', version: 5, rttMs: 12, attempts: 0, lastFailure: undefined })
    expect(watch.last().input).toEqual({ linkId: 'link-1' })
  })

  it('waits with full jitter under a ceiling that doubles up to its maximum', async () => {
    const { clock, connect, fail, context } = start()
    const waits: number[] = []
    for (let round = 0; round < 8; round += 1) {
      await fail(0.5)
      waits.push(context().waitMs)
      clock.increment(context().waitMs)
    }
    expect(waits).toEqual([1_500, 2_500, 4_500, 8_500, 16_500, 30_500, 30_500, 30_500])
    expect(connect.calls).toHaveLength(9)
  })

  it('never waits less than the least nor more than the most', async () => {
    const { clock, fail, context } = start()
    await fail(0)
    expect(context().waitMs).toBe(policy.backoffMinMs)
    for (let round = 0; round < 10; round += 1) {
      clock.increment(context().waitMs)
      await fail(0.999)
    }
    expect(context().waitMs).toBeLessThanOrEqual(policy.backoffMaxMs)
  })

  it('does not connect before the wait is over', async () => {
    const { clock, connect, fail, context, actor } = start()
    await fail(0.25)
    clock.increment(context().waitMs - 1)
    expect(actor.getSnapshot().value).toBe('backingOff')
    clock.increment(1)
    expect(actor.getSnapshot().value).toBe('connecting')
    expect(connect.calls).toHaveLength(2)
  })

  it('starts the back-off anew after it was online', async () => {
    const { clock, watch, succeed, fail, reached, context } = start()
    for (let round = 0; round < 4; round += 1) {
      await fail(1)
      clock.increment(context().waitMs)
    }
    await succeed()
    watch.last().resolve({ failure: lost, jitter: 0.5 })
    await reached('backingOff')
    expect(context()).toMatchObject({ attempts: 1, waitMs: 1_500, lastFailure: lost, linkId: undefined })
  })

  it('treats an actor that fails as a failed try', async () => {
    const { connect, watch, clock, succeed, reached, context } = start()
    connect.last().reject(new Error('a defect'))
    await reached('backingOff')
    expect(context().lastFailure).toEqual({ code: 'ERR_INTERNAL', message: 'a defect' })
    clock.increment(context().waitMs)
    await succeed()
    watch.last().reject(new Error('another'))
    await reached('backingOff')
    expect(context().lastFailure).toEqual({ code: 'ERR_INTERNAL', message: 'another' })
  })

  it('gives up a connect that never ends, and aborts it', () => {
    const { clock, connect, context, actor } = start()
    clock.increment(policy.connectLimitMs)
    expect(actor.getSnapshot().value).toBe('backingOff')
    expect(context().lastFailure?.code).toBe('ERR_BROKER_TIMEOUT')
    expect(connect.last().signal.aborted).toBe(true)
  })

  it('connects afresh on broker.retry, whatever it does', async () => {
    const { actor, connect, watch, succeed, fail, context } = start()
    await fail(1)
    actor.send({ type: 'broker.retry' })
    expect(context().attempts).toBe(0)
    expect(connect.calls).toHaveLength(2)
    actor.send({ type: 'broker.retry' })
    expect(connect.calls.map(({ signal }) => signal.aborted)).toEqual([false, true, false])
    await succeed()
    actor.send({ type: 'broker.retry' })
    expect(actor.getSnapshot().value).toBe('connecting')
    expect(watch.last().signal.aborted).toBe(true)
    expect(context().linkId).toBeUndefined()
  })

  it('shortens a wait under way on broker.hurry, and only once', async () => {
    const { actor, clock, fail, connect, context } = start()
    for (let round = 0; round < 5; round += 1) {
      await fail(1)
      if (round < 4) clock.increment(context().waitMs)
    }
    actor.send({ type: 'broker.hurry', capMs: 1_000 })
    clock.increment(600)
    actor.send({ type: 'broker.hurry', capMs: 1_000 })
    clock.increment(400)
    expect(actor.getSnapshot().value).toBe('connecting')
    expect(connect.calls).toHaveLength(6)
  })

  it('keeps waits short after broker.hurry until it is online', async () => {
    const { actor, clock, watch, succeed, fail, reached, context } = start()
    actor.send({ type: 'broker.hurry', capMs: 1_000 })
    for (let round = 0; round < 4; round += 1) {
      await fail(1)
      expect(context().waitMs).toBe(1_000)
      clock.increment(1_000)
    }
    await succeed()
    watch.last().resolve({ failure: lost, jitter: 1 })
    await reached('backingOff')
    expect(context().waitMs).toBe(2_000)
  })

  it('carries data only: its context survives JSON', async () => {
    const { context, fail } = start()
    await fail(0.5)
    const { linkId: _linkId, version: _version, rttMs: _rttMs, capMs: _capMs, ...known } = context()
    expect(JSON.parse(JSON.stringify(context()))).toEqual(known)
  })

  it('describes every state', () => {
    const missing = Object.values(signallingMachine.states).filter(({ description }) => description === undefined)
    expect(missing.map(({ key }) => key)).toEqual([])
  })
})

const byActor = (outcome: 'done' | 'error', actorId: string, result: object) => ({ type: `xstate.${outcome}.actor.${actorId}`, actorId, ...result })
const anywhere = [{ type: 'broker.retry' }, { type: 'broker.hurry', capMs: 1_000 }, { type: 'broker.stop' }]

/** What the actors and the clock of a state bring about, as events for xstate/graph, and what anybody may send. */
const eventsIn: Readonly<Record<string, readonly { readonly type: string }[]>> = {
  connecting: [
    byActor('done', 'connectLink', { output: { ok: true, linkId: 'link-1', version: 4, rttMs: 3 } }),
    byActor('done', 'connectLink', { output: { ok: false, failure, jitter: 0.5 } }),
    byActor('error', 'connectLink', { error: new Error('a defect') }),
    { type: 'xstate.after.connectLimit.signalling.connecting' },
  ],
  online: [byActor('done', 'watchLink', { output: { failure: lost, jitter: 0.5 } }), byActor('error', 'watchLink', { error: new Error('a defect') })],
  backingOff: [{ type: 'xstate.after.backoff.signalling.backingOff' }],
}

// waits grow without end: what counts is the state, and what was learnt of the broker; simple paths need it coarse, they are too many
const fine = ({ value, context }: Position) => JSON.stringify([value, context.lastFailure?.code, context.capMs])
const coarse = ({ value, context }: Position) => JSON.stringify([value, context.lastFailure !== undefined])
interface Position {
  readonly value: string
  readonly context: SignallingContext
}
const traversal = (serializeState: (position: Position) => string) =>
  ({ input, events: ({ value }: Position) => [...(eventsIn[value] ?? []), ...anywhere], serializeState, limit: 10_000 }) as never

describe('every path through the signalling machine', () => {
  const shortest = getShortestPaths(signallingMachine, traversal(fine))
  const simple = getSimplePaths(signallingMachine, traversal(coarse))

  it('reaches every state', () => {
    expect([...new Set(shortest.map(({ state }) => state.value))].sort()).toEqual(['backingOff', 'connecting', 'online', 'stopped'])
  })

  it('holds a link exactly while it is online, and ends only by broker.stop', () => {
    expect(simple.length).toBeGreaterThan(shortest.length)
    for (const path of [...shortest, ...simple]) {
      for (const { state, event } of path.steps) {
        expect(state.context.linkId !== undefined).toBe(state.value === 'online')
        expect(state.context.waitMs).toBeLessThanOrEqual(policy.backoffMaxMs)
        if (state.status !== 'active') expect([state.value, event.type]).toEqual(['stopped', 'broker.stop'])
      }
    }
  })

  const titled = shortest.map((path, index) => [path.state.value, path.steps.map(({ event }) => event.type).join(' > '), index, path] as const)
  it.each(titled)('comes to %s by %s with live actors (%i)', async (_state, _events, _index, path) => {
    const { actor, clock, connect, watch, reached, context } = start()
    for (const { event, state } of path.steps.slice(1)) {
      const { type, output, error } = event as { type: string; output?: never; error?: unknown }
      const called = type.endsWith('connectLink') ? connect : type.endsWith('watchLink') ? watch : undefined
      if (type.startsWith('xstate.done')) called?.last().resolve(output as never)
      else if (type.startsWith('xstate.error')) called?.last().reject(error)
      else if (type.includes('after.backoff')) clock.increment(context().waitMs)
      else if (type.includes('after.connectLimit')) clock.increment(policy.connectLimitMs)
      else actor.send(event)
      if (state.value !== 'connecting') await reached(state.value)
    }
    expect(actor.getSnapshot().value).toBe(path.state.value)
    if (path.state.status === 'active') actor.send({ type: 'broker.stop' })
    await reached('stopped')
    expect([...connect.calls, ...watch.calls].filter(({ signal }) => !signal.aborted).length).toBe(countSettled(path.steps.map(({ event }) => event.type)))
  })
})

/** Calls that had ended by themselves when their state was left; all others must have been aborted. */
const countSettled = (types: readonly string[]): number => types.filter(type => /^xstate\.(done|error)\.actor/.test(type)).length
