import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from 'xstate'
import { getShortestPaths, getSimplePaths } from 'xstate/graph'
import { statesOf } from '../../../scripts/docs/edges.js'
import { pure } from './pure.js'

/** What happens to a machine: events by type; `done ID` and `error ID` for its actors. Time-outs need no sample. */
export type Samples = Readonly<Record<string, readonly object[]>>

/** A machine, what it starts from, and what may happen to it. */
export interface Walk {
  readonly machine: AnyStateMachine
  readonly input: object
  readonly samples: Samples
  /** What of the context makes a difference; the state always does. */
  readonly facts?: (context: never) => unknown
}

export interface WalkedPath {
  readonly state: AnyMachineSnapshot
  readonly steps: readonly { readonly state: AnyMachineSnapshot; readonly event: AnyEventObject }[]
}

const done = 'xstate.done.actor.'
const error = 'xstate.error.actor.'

/** The events of one type. Fails for a type without sample: a new event has to be walked too. */
function eventsOfType(type: string, samples: Samples): readonly AnyEventObject[] {
  if (type.startsWith('xstate.after.')) return [{ type }]
  if (type.startsWith(done)) {
    const actorId = type.slice(done.length)
    return samplesOf(`done ${actorId}`, samples).map(output => ({ type, actorId, output }))
  }
  if (type.startsWith(error)) {
    const actorId = type.slice(error.length)
    return (samples[`error ${actorId}`] ?? [{}]).map(fields => ({ type: `${error}${(fields as { id?: string }).id ?? actorId}`, actorId, error: new Error('a defect'), ...fields }))
  }
  return samplesOf(type, samples).map(fields => ({ type, ...fields }))
}

function samplesOf(type: string, samples: Samples): readonly object[] {
  const found = samples[type]
  if (found === undefined) throw new Error(`no sample of the event ${type}`)
  return found
}

/** Everything that may happen in a state: what it, or a state around it, takes. */
export function eventsIn({ machine, samples }: Walk, snapshot: AnyMachineSnapshot): readonly AnyEventObject[] {
  if (snapshot.status !== 'active') return []
  const active = statesOf(machine.root).filter(node => node === machine.root || snapshot._nodes.includes(node))
  const types = new Set(active.flatMap(node => [...node.transitions.keys()]))
  return [...types].flatMap(type => eventsOfType(type, samples))
}

const options = (walk: Walk, serializeState: (state: AnyMachineSnapshot) => string) =>
  ({ input: walk.input, events: (state: AnyMachineSnapshot) => eventsIn(walk, state), serializeState, limit: 50_000 }) as never

/** The graph functions ask for nothing but these two. */
function logicOf(machine: AnyStateMachine) {
  const { initial, next } = pure(machine)
  return { getInitialSnapshot: (_scope: unknown, input: unknown) => initial(input), transition: next } as never
}

/** A shortest path to each state, told apart by its facts. */
export const shortestPaths = (walk: Walk): readonly WalkedPath[] =>
  getShortestPaths(logicOf(walk.machine), options(walk, ({ value, context }) => JSON.stringify([value, walk.facts?.(context as never)])))

/** Every path that visits no state twice. */
export const simplePaths = (walk: Walk): readonly WalkedPath[] => getSimplePaths(logicOf(walk.machine), options(walk, ({ value }) => JSON.stringify(value)))

/** `connecting.signalling.silent`, of each state of the machine. */
export const stateNames = (machine: AnyStateMachine): readonly string[] => statesOf(machine.root).slice(1).map(nameOf)

export const nameOf = (node: AnyStateNode): string => node.path.join('.')

/** `a > b > c`, for titles. */
export const eventNames = ({ steps }: WalkedPath): string => steps.slice(1).map(({ event: { type } }) => type.replace(/^xstate\.(actor\.)?/, '')).join(' > ') || 'its start'

/** Starting a path's states by name, repeated ones once. */
export const values = ({ steps }: WalkedPath): readonly string[] => steps.map(({ state }) => JSON.stringify(state.value)).filter((value, index, all) => value !== all[index - 1])
