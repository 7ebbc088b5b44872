import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { AnyStateMachine } from 'xstate'
import { machines } from '../../../machines/index.js'
import { statesOf } from '../../../scripts/docs/edges.js'

const root = new URL('../../../machines/', import.meta.url)
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')

/** What XState itself adds to a state with `after`. */
const ofAfter = ['xstate.raise', 'xstate.cancel']

describe('machines', () => {
  it.each(files.filter(name => !name.endsWith('.actors.ts')))('read neither time nor chance, and no platform: %s', name => {
    expect(read(name)).not.toMatch(/Date\.now|new Date\(|performance\.|Math\.random|randomBytes|randomUUID|setTimeout|setInterval|from 'node:/)
  })

  it.each(files)('hide nothing from the compiler: %s', name => {
    expect(read(name)).not.toMatch(/\bas (never|any)\b|@ts-/)
  })

  const all: readonly (readonly [string, AnyStateMachine])[] = Object.entries(machines)

  it.each(all)('name their guards, actions and delays: %s', (_name, { root: whole }) => {
    const inline = statesOf(whole).flatMap(node => [
      ...[...node.entry, ...node.exit].filter(action => typeof action === 'function' && !ofAfter.includes((action as { type?: string }).type ?? '')).map(() => `${node.id}: an inline action`),
      ...[...node.transitions.values()].flat().flatMap(({ actions }) => actions.filter(action => typeof action === 'function').map(() => `${node.id}: an inline action`)),
      ...node.after.filter(({ delay }) => typeof delay === 'number').map(() => `${node.id}: a number in after`),
    ])
    expect(inline).toEqual([])
  })

  it.each(all)('describe every state and handle the error of every actor: %s', (_name, { root: whole }) => {
    const faults = statesOf(whole).flatMap(node => [
      ...(node.description === undefined ? [`${node.id}: no description`] : []),
      ...node.invoke.filter(({ onError }) => onError === undefined).map(({ id }) => `${node.id}: ${id} has no onError`),
    ])
    expect(faults).toEqual([])
  })
})
