import type { AnyStateNode } from 'xstate'

/** What makes an edge be taken. */
export type EdgeKind = 'event' | 'always' | 'after' | 'done' | 'error' | 'snapshot' | 'allDone'

/** One transition of a machine; `target` is undefined where the machine stays in its state and only acts. */
export interface Edge {
  readonly source: AnyStateNode
  readonly target: AnyStateNode | undefined
  readonly kind: EdgeKind
  /** The event, delay or actor; empty for `always` and `allDone`. */
  readonly name: string
  readonly guard: string | undefined
  readonly reenter: boolean
}

interface Trigger {
  readonly kind: EdgeKind
  readonly name: string
}

/** The state and all below it, in the order they are written. */
export const statesOf = (node: AnyStateNode): readonly AnyStateNode[] => [node, ...Object.values(node.states).flatMap(child => statesOf(child as AnyStateNode))]

/** The names an actor's own events have inside XState, and what they mean to a reader. */
const actorEvents = [
  ['xstate.done.actor.', 'done'],
  ['xstate.error.actor.', 'error'],
  ['xstate.snapshot.', 'snapshot'],
] as const

function triggerOf(eventType: string, source: AnyStateNode): Trigger {
  for (const [prefix, kind] of actorEvents) if (eventType.startsWith(prefix)) return { kind, name: eventType.slice(prefix.length) }
  if (eventType.startsWith('xstate.done.state.')) return { kind: 'allDone', name: '' }
  const after = `.${source.id}`
  if (eventType.startsWith('xstate.after.') && eventType.endsWith(after)) return { kind: 'after', name: eventType.slice('xstate.after.'.length, -after.length) }
  return { kind: 'event', name: eventType }
}

/** A guard as text: its name, or `not x`, `x and y` for XState's own combinators. */
export function guardText(guard: unknown): string | undefined {
  if (guard === undefined) return undefined
  if (typeof guard === 'string') return guard
  if (typeof guard === 'object' && guard !== null && 'type' in guard) return String(guard.type)
  if (typeof guard !== 'function') return 'guard'
  const { check, guards } = guard as { check?: { name: string }; guards?: readonly unknown[] }
  if (check !== undefined && guards !== undefined) {
    const parts = guards.map(part => guardText(part) ?? 'guard')
    if (check.name === 'checkNot') return `not ${parts.join()}`
    return parts.join(check.name === 'checkOr' ? ' or ' : ' and ')
  }
  return guard.name === '' ? 'guard' : guard.name
}

/** Every transition of a state: events, delays, actors' ends, and `always`, which XState keeps apart and most graph helpers omit. */
export function edgesOf(source: AnyStateNode): readonly Edge[] {
  const untriggered: Trigger = { kind: 'always', name: '' }
  const always = (source.always ?? []).map(transition => ({ transition, trigger: untriggered }))
  const others = [...source.transitions].flatMap(([eventType, transitions]) =>
    transitions.map(transition => ({ transition, trigger: triggerOf(eventType, source) })),
  )
  return [...always, ...others].flatMap(({ transition, trigger }) => {
    const rest = { source, ...trigger, guard: guardText(transition.guard), reenter: transition.reenter }
    const targets: readonly (AnyStateNode | undefined)[] = transition.target ?? [undefined]
    return targets.map(target => ({ ...rest, target }))
  })
}

/** The edge's trigger and guard as a reader says them: `after punchWindow [hasRoundLeft]`. */
export function edgeText({ kind, name, guard }: Edge): string {
  const words = { event: name, always: 'always', after: `after ${name}`, done: `done ${name}`, error: `error ${name}`, snapshot: `news of ${name}`, allDone: 'all done' }
  return guard === undefined ? words[kind] : `${words[kind]} [${guard}]`
}
