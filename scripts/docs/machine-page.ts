import type { AnyStateMachine, AnyStateNode } from 'xstate'
import { actorText, diagram } from './diagram.js'
import { edgesOf, edgeText, statesOf } from './edges.js'
import { code, generatedBy, kebab, page, table } from './markdown.js'

/** `docs/machines/<name>.md`: purpose, diagram, states, and what the machine is given. */
export function machinePage(name: string, machine: AnyStateMachine): string {
  const states = statesOf(machine.root).slice(1)
  return page(
    generatedBy(`machines/${kebab(name)}`),
    `# ${name}`,
    machine.root.description ?? '',
    `\`\`\`mermaid\n${diagram(machine)}\`\`\``,
    '## States',
    table(
      ['state', 'what it means', 'runs', 'takes without leaving'],
      states.map(node => [code(node.path.join('.')), meaning(node), actorsOf(node), staysOn(node)]),
    ),
    anywhere(machine.root),
    parts(machine),
    '[All machines](README.md)',
  )
}

/** `docs/machines/README.md`. */
export function machinesIndex(machines: Readonly<Record<string, AnyStateMachine>>): string {
  return page(
    generatedBy('machines'),
    '# Machines',
    'Each decision of the product is a state machine. Diagrams show every state and every edge that leads to one; `always` is taken at once, `after` names a delay that reads the policy.',
    table(
      ['machine', 'what it decides', 'ends as'],
      Object.entries(machines).map(([name, machine]) => [`[${name}](${kebab(name)}.md)`, machine.root.description ?? '', outcomes(machine)]),
    ),
  )
}

/** What breaks the house rules for machines, one line each: a state or root without description, an invoke without onError. */
export function machineFaults(name: string, machine: AnyStateMachine): readonly string[] {
  return statesOf(machine.root).flatMap(node => {
    const where = [name, ...node.path].join('.')
    const silent = node.invoke.filter(({ onError }) => onError === undefined)
    return [
      ...(node.description === undefined ? [`${where}: no description`] : []),
      ...silent.map(({ id, src }) => `${where}: invoke ${actorText(id, src)} has no onError`),
    ]
  })
}

const meaning = (node: AnyStateNode): string => {
  const kind = { atomic: '', compound: '', parallel: 'All at once. ', final: 'Outcome. ', history: 'History. ' }[node.type]
  return `${kind}${node.description ?? ''}`
}

const actorsOf = (node: AnyStateNode): string => node.invoke.map(({ id, src }) => code(actorText(id, src))).join(', ')

const staysOn = (node: AnyStateNode): string => {
  const texts = edgesOf(node).filter(({ target }) => target === undefined).map(edgeText)
  return [...new Set(texts)].map(code).join(', ')
}

const outcomes = (machine: AnyStateMachine): string =>
  Object.values(machine.root.states as Record<string, AnyStateNode>).filter(({ type }) => type === 'final').map(({ key }) => code(key)).join(', ')

/** What the machine runs and takes in every state. */
function anywhere(root: AnyStateNode): string {
  const rows = [
    ['runs', actorsOf(root)],
    ['takes without leaving', staysOn(root)],
  ].filter(([, text]) => text !== '') as [string, string][]
  return rows.length === 0 ? '' : page('In every state:', rows.map(([what, text]) => `- ${what}: ${text}`).join('\n'))
}

/** The named parts a machine is set up with, and the states that use each. */
function parts({ root, implementations }: AnyStateMachine): string {
  const states = statesOf(root)
  const where = (uses: (node: AnyStateNode) => boolean): string => states.filter(uses).map(node => code(node.path.join('.') || 'everywhere')).join(', ')
  // those that are only declared by type are not among the implementations
  const invoked = states.flatMap(node => node.invoke.flatMap(({ src }) => (typeof src === 'string' ? [src] : [])))
  const has = (word: string) => (text: string | undefined): boolean => text?.split(/[^\w.]+/).includes(word) ?? false
  const section = (title: string, names: readonly string[], uses: (node: AnyStateNode, name: string) => boolean): string =>
    names.length === 0 ? '' : page(`## ${title}`, table(['name', 'used in'], [...names].sort((a, b) => a.localeCompare(b)).map(name => [code(name), where(node => uses(node, name)) || 'actions'])))
  return page(
    section('Actors', [...new Set([...Object.keys(implementations.actors), ...invoked])], (node, name) => node.invoke.some(({ src }) => src === name)),
    section('Delays', Object.keys(implementations.delays), (node, name) => edgesOf(node).some(edge => edge.kind === 'after' && edge.name === name)),
    section('Guards', Object.keys(implementations.guards), (node, name) => edgesOf(node).some(({ guard }) => has(name)(guard))),
  )
}
