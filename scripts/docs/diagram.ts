import type { AnyStateMachine, AnyStateNode } from 'xstate'
import { edgesOf, edgeText, statesOf, type Edge } from './edges.js'

/** A machine as a mermaid `stateDiagram-v2`: every state, nested and parallel, and every edge that leads somewhere. */
export function diagram(machine: AnyStateMachine): string {
  const edges = statesOf(machine.root).flatMap(edgesOf).filter(leads)
  const whole = machine.root.type === 'parallel' ? state(machine.root, edges) : body(machine.root, edges)
  return ['stateDiagram-v2', ...indent([...whole, ...edges.filter(edge => homeOf(edge) === undefined).map(line)]), ''].join('\n')
}

type Leading = Edge & { readonly target: AnyStateNode }

const leads = (edge: Edge): edge is Leading => edge.target !== undefined
const indent = (lines: readonly string[]): string[] => lines.map(line => `  ${line}`)
const childrenOf = (node: AnyStateNode): readonly AnyStateNode[] => Object.values(node.states) as AnyStateNode[]
const isInside = (inner: AnyStateNode, outer: AnyStateNode): boolean => inner.parent !== undefined && (inner.parent === outer || isInside(inner.parent, outer))

/** Mermaid's name of a state: unique, no dots or dashes, never one of mermaid's own words. */
const idOf = (node: AnyStateNode): string => [node.machine.id, ...node.path].join('__').replaceAll(/\W/g, '_')
/** Mermaid ends a label at `;` and takes `#` for an escape. */
const clean = (text: string): string => text.replaceAll(';', ',').replaceAll('#', '').replaceAll('"', "'").replaceAll(/\s+/g, ' ')

/** What stands for a container where an edge joins it and a state inside it, which mermaid cannot draw. */
const anyOf = (node: AnyStateNode): string => `${idOf(node)}__any`
const againOf = (node: AnyStateNode): string => `${idOf(node)}__again`

interface End {
  readonly id: string
  /** The container it is drawn in. */
  readonly parent: AnyStateNode | undefined
}

/** The two ends of an edge as drawn. */
function endsOf({ source, target }: Leading): readonly [End, End] {
  const loops = source === target && childrenOf(source).length > 0
  const from = loops || isInside(target, source) ? { id: anyOf(source), parent: source } : { id: idOf(source), parent: source.parent }
  const to = loops || isInside(source, target) ? { id: againOf(target), parent: target } : { id: idOf(target), parent: target.parent }
  return [from, to]
}

/** The container an edge is written in: the one of both ends. Else undefined: anywhere but at the end mermaid would move a state. */
function homeOf(edge: Leading): AnyStateNode | undefined {
  const [from, to] = endsOf(edge)
  return from.parent === to.parent && from.parent?.type !== 'parallel' ? from.parent : undefined
}

function line(edge: Leading): string {
  const [from, to] = endsOf(edge)
  return `${from.id} --> ${to.id} : ${clean(edgeText(edge))}`
}

/** What stands between the braces of a state. */
function body(node: AnyStateNode, edges: readonly Leading[]): string[] {
  if (node.type === 'parallel') return regions(node, edges)
  const inside = edges.filter(edge => homeOf(edge) === node)
  const children = childrenOf(node)
  const initial = children.length === 0 ? [] : node.initial.target.map(target => `[*] --> ${idOf(target)}`)
  const finals = children.filter(child => child.type === 'final').map(child => `${idOf(child)} --> [*]`)
  return [...children.flatMap(child => state(child, edges)), ...standIns(node, edges), ...initial, ...inside.map(line), ...finals]
}

/** Parallel regions, divided by `--`; a last one holds stand-ins for the whole. */
function regions(node: AnyStateNode, edges: readonly Leading[]): string[] {
  const own = [standIns(node, edges)].filter(region => region.length > 0)
  return [...childrenOf(node).map(child => state(child, edges)), ...own].flatMap((region, at) => (at === 0 ? region : ['--', ...region]))
}

function standIns(node: AnyStateNode, edges: readonly Leading[]): string[] {
  const used = new Set(edges.flatMap(endsOf).map(({ id }) => id))
  return [
    ...(used.has(anyOf(node)) ? [`state "in any of these" as ${anyOf(node)}`] : []),
    ...(used.has(againOf(node)) ? [`state "${clean(node.key)} from the start" as ${againOf(node)}`] : []),
  ]
}

function state(node: AnyStateNode, edges: readonly Leading[]): string[] {
  const heading = `state "${clean(titleOf(node))}" as ${idOf(node)}`
  const invokes = node.invoke.map(({ id, src }) => `${idOf(node)} : runs ${clean(actorText(id, src))}`)
  if (childrenOf(node).length === 0) return [heading, ...invokes]
  return [`${heading} {`, ...indent(body(node, edges)), '}']
}

const titleOf = (node: AnyStateNode): string => {
  const runs = childrenOf(node).length === 0 ? [] : node.invoke.map(({ id, src }) => `runs ${actorText(id, src)}`)
  return [node.key, ...runs].join(', ')
}

/** `src`, and the id where the machine gave another. */
export const actorText = (id: string, src: unknown): string => {
  const name = typeof src === 'string' ? src : 'actor'
  return id === name || /^\d+\./.test(id) ? name : `${name} as ${id}`
}
