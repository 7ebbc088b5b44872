import { describe, expect, it } from 'vitest'
import { createActor, SimulatedClock, type AnyMachineSnapshot } from 'xstate'
import { createNatProbeActors } from '../../../machines/nat-probe/nat-probe.actors.js'
import { natProbeMachine } from '../../../machines/nat-probe/nat-probe.machine.js'
import type { NatProbeContext, NatProbePolicy, RunBatchInput } from '../../../machines/nat-probe/nat-probe.types.js'
import { statesOf } from '../../../scripts/docs/edges.js'
import type { Failure } from '../../../src/errors/index.js'
import { ThroughlineError } from '../../../src/errors/index.js'
import type { Observation } from '../../../src/nat/enumeration/probes.js'
import type { Endpoint } from '../../../src/protocol/endpoint.js'
import { FakeActors, pass, run, settled } from '../../support/machines/live.js'
import { pure } from '../../support/machines/pure.js'
import { eventNames, nameOf, shortestPaths, stateNames, type Walk, type WalkedPath } from '../../support/machines/walk.js'

const policy: NatProbePolicy = { listLimitMs: 3_000, batchLimitMs: 5_000, refreshMs: 600_000, settleMs: 300, retryMinMs: 2_000, retryMaxMs: 120_000 }
const input = { interfaceName: 'eth0', family: 4, local: '10.0.0.2', policy } as const
const servers: readonly Endpoint[] = [{ host: '192.0.2.1', port: 3478 }, { host: '192.0.2.2', port: 3478 }]
const failure: Failure = { code: 'ERR_STUN_TIMEOUT', message: 'silent' }

/** Every server sees the local port behind one address; nothing comes in. */
const seen = ({ local, batch }: RunBatchInput): Observation[] =>
  batch.probes.map((probe, order): Observation => {
    if (probe.kind !== 'mapping') return { ...probe, outcome: 'nothing' }
    const port = 20_000 + probe.slot.run * 100 + probe.slot.index
    return { ...probe, order, local: { host: local, port }, mapped: { host: '203.0.113.5', port }, sentAtMs: 0, rttMs: 40 }
  })

const unanswered = ({ batch }: RunBatchInput): Observation[] =>
  batch.probes.map((probe, order): Observation => (probe.kind === 'mapping' ? { ...probe, order, failure: failure.code } : { ...probe, outcome: failure.code }))

function start({ probe = seen, list = () => servers, random = () => 0.5 }: { probe?: (request: RunBatchInput) => Observation[]; list?: () => readonly Endpoint[]; random?: () => number } = {}) {
  const asked: RunBatchInput[] = []
  const clock = new SimulatedClock()
  const actors = createNatProbeActors({
    listServers: () => Promise.resolve(list()),
    probe: request => {
      asked.push(request)
      return Promise.resolve().then(() => probe(request))
    },
    random,
  })
  const actor = createActor(natProbeMachine.provide({ actors }), { input, clock })
  const states: string[] = []
  actor.subscribe({ next: ({ value }) => void (states.at(-1) !== nameOfValue(value) && states.push(nameOfValue(value))), error: () => {} })
  actor.start()
  return { actor, clock, asked, states, context: (): NatProbeContext => actor.getSnapshot().context, value: () => nameOfValue(actor.getSnapshot().value) }
}

const nameOfValue = (value: unknown): string => (typeof value === 'string' ? value : Object.keys(value as object)[0] ?? '')

/** A few batches of each transport, each a promise or two. */
async function rest(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await settled()
}

describe('the natProbe machine', () => {
  it('samples by both transports and knows the profile', async () => {
    const { states, asked, context } = start()
    await rest()
    expect(states).toEqual(['sampling', 'known'])
    expect(asked.filter(({ batch }) => batch.transport === 'tcp').map(({ batch }) => batch.purpose)).toEqual(['discover', 'allocate', 'behave'])
    expect(context().profile).toMatchObject({ name: 'eth0', family: 4, local: '10.0.0.2', external: '203.0.113.5', tcp: { mapping: 'endpoint-independent', allocation: 'equal' } })
    expect(context()).toMatchObject({ isStale: false, rounds: [], failures: 0, lastFailure: undefined })
  })

  it('keeps what it knows while it renews it, after a time with jitter', async () => {
    const { clock, context, value, asked } = start({ random: () => 0.2 })
    await rest()
    const batches = asked.length
    clock.increment(policy.refreshMs * 1.1 - 1)
    expect(value()).toBe('known')
    clock.increment(1)
    expect(value()).toBe('sampling')
    expect(context()).toMatchObject({ isStale: false, profile: { external: '203.0.113.5' } })
    await rest()
    expect(value()).toBe('known')
    expect(asked.length).toBe(batches * 2)
  })

  it('marks its knowledge stale when the network changes, and samples by the new address once that has settled', async () => {
    const { actor, clock, context, value, asked } = start()
    await rest()
    actor.send({ type: 'network.changed', local: '10.0.0.3' })
    expect(value()).toBe('stale')
    expect(context()).toMatchObject({ isStale: true, profile: { local: '10.0.0.2' } })
    clock.increment(policy.settleMs - 1)
    actor.send({ type: 'network.changed', local: '10.0.0.7' })
    clock.increment(policy.settleMs - 1)
    expect(value()).toBe('stale')
    clock.increment(1)
    await rest()
    expect(value()).toBe('known')
    expect(context()).toMatchObject({ isStale: false, profile: { local: '10.0.0.7' } })
    expect(asked.at(-1)?.local).toBe('10.0.0.7')
  })

  it('drops what a change of the network interrupts', async () => {
    const fakes = new FakeActors()
    const { actor, states, clock } = run(natProbeMachine.provide({ actors: fakes.provide({ promises: ['listServers', 'runBatch'] }) }), input)
    fakes.last('listServers').resolve({ ok: true, servers, jitter: 0 })
    await settled()
    actor.send({ type: 'network.changed', local: '10.0.0.3' })
    expect(fakes.of('runBatch').map(({ isStopped }) => isStopped)).toEqual([true, true])
    clock.increment(policy.settleMs)
    expect(fakes.of('listServers')).toHaveLength(2)
    expect(states.at(-1)).toBe('{"sampling":"listing"}')
  })

  it('knows nothing when nobody answers, says so, and asks again with growing waits', async () => {
    const { clock, context, value, asked } = start({ probe: unanswered })
    await rest()
    expect(value()).toBe('stale')
    expect(context()).toMatchObject({ isStale: true, failures: 1, waitMs: 3_000, lastFailure: { code: 'ERR_STUN_TIMEOUT' } })
    expect(context().profile).toMatchObject({ external: null, tcp: { mapping: 'unknown', blocked: false }, udp: { mapping: 'unknown', blocked: false } })
    const batches = asked.length
    clock.increment(3_000)
    await rest()
    expect(asked.length).toBe(batches * 2)
    expect(context()).toMatchObject({ failures: 2, waitMs: 5_000 })
  })

  it('keeps what it knew, marked stale, when nobody answers any more', async () => {
    let isDown = false
    const { clock, context, value } = start({ probe: request => (isDown ? unanswered(request) : seen(request)) })
    await rest()
    isDown = true
    clock.increment(policy.refreshMs * 1.25)
    await rest()
    expect(value()).toBe('stale')
    expect(context()).toMatchObject({ isStale: true, profile: { external: '203.0.113.5' } })
    isDown = false
    clock.increment(context().waitMs)
    await rest()
    expect(context()).toMatchObject({ isStale: false, failures: 0 })
  })

  it('says that UDP is blocked where only TCP gets through', async () => {
    const { context, value } = start({ probe: request => (request.batch.transport === 'udp' ? unanswered(request) : seen(request)) })
    await rest()
    expect(value()).toBe('known')
    expect(context().profile).toMatchObject({ tcp: { blocked: false, mapping: 'endpoint-independent' }, udp: { blocked: true, mapping: 'unknown', classic: 'blocked' } })
  })

  it('goes on with one transport when the probes of the other fail', async () => {
    const { context } = start({ probe: request => {
      if (request.batch.transport === 'udp') throw new ThroughlineError('ERR_NO_INTERFACE', 'gone')
      return seen(request)
    } })
    await rest()
    expect(context()).toMatchObject({ lastFailure: { code: 'ERR_NO_INTERFACE' }, profile: { tcp: { allocation: 'equal' }, udp: { mapping: 'unknown' } } })
  })

  it('waits when there are no servers', async () => {
    const { context, value } = start({ list: () => [] })
    await rest()
    expect(value()).toBe('stale')
    expect(context().lastFailure).toMatchObject({ code: 'ERR_DIAL_UNREACHABLE' })
  })

  it('carries data only: its context survives JSON', async () => {
    const { context } = start()
    await rest()
    const { lastFailure: _lastFailure, ...known } = context()
    expect(JSON.parse(JSON.stringify(context()))).toEqual(known)
  })

  it('describes every state, handles the error of every actor and names its waits', () => {
    const faults = statesOf(natProbeMachine.root).flatMap(node => [
      ...(node.description === undefined ? [`${node.id}: no description`] : []),
      ...node.invoke.filter(({ onError }) => onError === undefined).map(({ id }) => `${node.id}: ${id} has no onError`),
      ...node.after.filter(({ delay }) => typeof delay === 'number').map(() => `${node.id}: a number in after`),
    ])
    expect(faults).toEqual([])
  })
})

const batch = (transport: 'tcp' | 'udp', purpose: 'discover') => ({ transport, purpose, index: 0, maxMs: 1_000, probes: servers.map(server => ({ kind: 'mapping' as const, slot: { run: 0, index: 0 }, server, to: server })) })
const answers = (transport: 'tcp' | 'udp') => [
  { ok: false, failure },
  { ok: true, round: { batch: batch(transport, 'discover'), observations: unanswered({ ...input, batch: batch(transport, 'discover') }) } },
  { ok: true, round: { batch: batch(transport, 'discover'), observations: seen({ ...input, batch: batch(transport, 'discover') }) } },
]

const walk: Walk = {
  machine: natProbeMachine.provide({ actors: new FakeActors().provide({ promises: ['listServers', 'runBatch'] }) }),
  input,
  facts: ({ rounds, profile, isStale, lastFailure }: NatProbeContext) => [Math.min(rounds.length, 2), profile?.external, isStale, lastFailure !== undefined],
  samples: {
    'network.changed': [{ local: '10.0.0.3' }],
    'probe.stop': [{}],
    'done listServers': [{ ok: true, servers, jitter: 0.5 }, { ok: false, failure, jitter: 0.5 }],
    'done tcpBatch': answers('tcp'),
    'done udpBatch': answers('udp'),
    // raised by the machine itself
    'xstate.done.state.natProbe.sampling': [],
    'xstate.done.state.natProbe.sampling.probing': [],
  },
}

describe('every path through the natProbe machine', () => {
  const paths = shortestPaths(walk)

  async function live(path: WalkedPath) {
    const fakes = new FakeActors()
    const running = run(natProbeMachine.provide({ actors: fakes.provide({ promises: ['listServers', 'runBatch'] }) }), input)
    for (const { event } of path.steps.slice(1)) {
      const { type, actorId, output, error } = event as { type: string; actorId?: string; output?: unknown; error?: unknown }
      const isOf = (call: { src: string; input: { batch?: { transport: string } } }) => (actorId === 'listServers' ? call.src === actorId : `${call.input.batch?.transport}Batch` === actorId)
      if (type.startsWith('xstate.done')) fakes.calls.findLast(isOf)?.resolve(output)
      else if (type.startsWith('xstate.error')) fakes.calls.findLast(isOf)?.reject(error)
      else running.actor.send(event)
      await settled()
    }
    return { ...running, fakes }
  }

  it('comes to the same state with live actors, and by time alone to rest', async () => {
    for (const path of paths) {
      const { actor, clock, stop } = await live(path)
      expect(actor.getSnapshot().value, eventNames(path)).toEqual(path.state.value)
      const isAtRest = () => ['known', 'stale', 'stopped'].includes(actor.getSnapshot().value as string)
      for (let turn = 0; turn < 100 && !isAtRest(); turn += 1) await pass(clock, 250)
      expect(isAtRest(), eventNames(path)).toBe(true)
      stop()
    }
  })

  it('reaches every state, and ends only when it is told to stop', async () => {
    const entered = new Set<string>(['sampling', 'sampling.listing'])
    for (const path of paths) {
      const { actor, entered: nodes, stop } = await live(path)
      for (const node of nodes) entered.add(nameOf(node))
      const { status, value } = actor.getSnapshot() as AnyMachineSnapshot
      if (status !== 'active') expect([status, value]).toEqual(['done', 'stopped'])
      stop()
    }
    expect(stateNames(natProbeMachine).filter(name => !entered.has(name))).toEqual([])
  })

  it('comes to the same contexts when the same events are replayed', () => {
    const { initial, next } = pure(walk.machine)
    for (const { steps } of paths) {
      const contexts = [0, 1].map(() => steps.slice(1).reduce((snapshot, { event }) => next(snapshot, event), initial(input)).context as object)
      expect(contexts[0]).toEqual(contexts[1])
    }
  })
})
