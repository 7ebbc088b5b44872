import { describe, expect, it } from 'vitest'
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from 'xstate'
import { settled, pass, run, FakeActors } from '../../support/machines/live.js'
import { pure } from '../../support/machines/pure.js'
import { eventNames, nameOf, shortestPaths, simplePaths, stateNames, values, type WalkedPath } from '../../support/machines/walk.js'
import { walks, type NamedWalk } from './walks.js'

/** The machine with actors that do nothing by themselves. */
function faked({ machine, promises, callbacks, actions }: NamedWalk) {
  const fakes = new FakeActors()
  const provided: AnyStateMachine = machine.provide({ actors: fakes.provide({ promises, callbacks }), actions: Object.fromEntries((actions ?? []).map(name => [name, () => {}])) as never })
  return { fakes, provided }
}

/** Walks a path with live actors: results come from the fakes, everything else as the event it is. */
async function live(walk: NamedWalk, path: WalkedPath) {
  const { fakes, provided } = faked(walk)
  const running = run(provided, walk.input)
  for (const { event } of path.steps.slice(1)) {
    const { type, actorId, output, error } = event as { type: string; actorId?: string; output?: unknown; error?: unknown }
    const src = walk.sources?.[actorId ?? ''] ?? actorId ?? ''
    if (type.startsWith('xstate.done')) fakes.last(src).resolve(output)
    else if (type.startsWith('xstate.error') && walk.promises.includes(src)) fakes.last(src).reject(error)
    else running.actor.send(event)
    await settled()
  }
  return { ...running, fakes }
}

/** The snapshots of a path's events alone: the graph functions take states with the same facts for the same. */
function replay(walk: NamedWalk, { steps }: WalkedPath): readonly AnyMachineSnapshot[] {
  const { initial, next } = pure(walk.machine)
  const snapshots = [initial(walk.input)]
  for (const { event } of steps.slice(1)) snapshots.push(next(snapshots.at(-1)!, event))
  return snapshots
}

/** Paths by the state they lead to. */
function byState(paths: readonly WalkedPath[]): (readonly [string, number, readonly WalkedPath[]])[] {
  const states = [...new Set(paths.map(({ state }) => JSON.stringify(state.value)))]
  return states.map(value => {
    const ways = paths.filter(({ state }) => JSON.stringify(state.value) === value)
    return [value, ways.length, ways] as const
  })
}

const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))

// XState warns of actors that are not provided, even where nothing is started
const provided = walks.map((walk): NamedWalk => ({ ...walk, machine: faked(walk).provided }))

describe.each(provided.map(walk => [walk.name, walk] as const))('every path through the machine %s', (_name, walk) => {
  const paths = shortestPaths(walk)

  it.each(byState(paths))('comes to %s with live actors, by each of %i paths', async (_state, _count, ways) => {
    for (const path of ways) {
      const { actor, states, fakes, stop } = await live(walk, path)
      const snapshot = actor.getSnapshot()
      const expected = replay(walk, path).at(-1)!
      expect({ states, status: snapshot.status, output: plain(snapshot.output) }, eventNames(path)).toEqual({
        states: values(path), status: path.state.status, output: plain(expected.output),
      })
      stop()
      expect(fakes.calls.filter(({ src, isStopped }) => walk.callbacks.includes(src) && !isStopped), eventNames(path)).toEqual([])
    }
  })

  it('enters no state that is not in its chart and ends only in an outcome', () => {
    for (const { state } of paths) {
      expect(state.status).not.toBe('error')
      if (state.status === 'done') expect(walk.outcomes).toContain(state.value)
    }
  })

  // where the way on depends on more than the state, shortest paths go through every combination of facts instead
  if (!['attempt', 'connection', 'punch', 'relay'].includes(walk.machine.id)) {
    it('comes by every simple path to where its live actors come', async () => {
      for (const path of simplePaths(walk)) {
        const { actor, states, stop } = await live(walk, path)
        const expected = replay(walk, path)
        expect(states, eventNames(path)).toEqual(expected.map(({ value }) => JSON.stringify(value)).filter((value, index, all) => value !== all[index - 1]))
        expect(plain(actor.getSnapshot().output), eventNames(path)).toEqual(plain(expected.at(-1)!.output))
        stop()
      }
    })
  }

  it('never waits for ever: with silent actors time alone leads to rest', async () => {
    const stuck: string[] = []
    for (const path of paths) {
      const { actor, clock, stop } = await live(walk, path)
      await pass(clock, 100_000)
      const { value, status } = actor.getSnapshot()
      if (status === 'active' && !walk.resting.includes(JSON.stringify(value))) stuck.push(`${eventNames(path)} stays in ${JSON.stringify(value)}`)
      stop()
    }
    expect(stuck).toEqual([])
  })

  it('comes to the same states and contexts again when the same events are replayed', () => {
    for (const path of paths) {
      const first = replay(walk, path)
      expect(first.map(({ value }) => value), eventNames(path)).toEqual(path.steps.map(({ state }) => state.value))
      expect(replay(walk, path).map(({ context }) => plain(context)), eventNames(path)).toEqual(first.map(({ context }) => plain(context)))
    }
  })
})

describe('all paths together', () => {
  it.each(groups())('reach every state of the machine %s', async (_id, group) => {
    const entered = new Set<string>()
    for (const walk of group) {
      for (const [, , [path]] of byState(shortestPaths(walk))) {
        for (const node of (await live(walk, path!)).entered) entered.add(nameOf(node))
      }
      // the first states of a machine, and of the regions it begins with, are entered before anybody can look
      for (const node of firstStates(walk.machine.root)) entered.add(nameOf(node))
    }
    expect(stateNames(group[0]!.machine).filter(name => !entered.has(name))).toEqual([])
  })
})

const firstStates = (node: AnyStateNode): readonly AnyStateNode[] =>
  (node.type === 'parallel' ? Object.values<AnyStateNode>(node.states) : node.initial.target).flatMap(first => [first, ...(first.type === 'atomic' || first.type === 'final' ? [] : firstStates(first))])

/** The walks of each machine; direct and reverse are one machine, seen from its two sides. */
function groups(): (readonly [string, readonly NamedWalk[]])[] {
  const nameOfMachine = ({ machine: { id } }: NamedWalk) => (id === 'direct' || id === 'reverse' ? 'direct and reverse' : id)
  return [...new Set(provided.map(nameOfMachine))].map(name => [name, provided.filter(walk => nameOfMachine(walk) === name)] as const)
}
