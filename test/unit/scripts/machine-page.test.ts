import { expect, it } from 'vitest'
import { createMachine } from 'xstate'
import { machineFaults, machinePage, machinesIndex } from '../../../scripts/docs/machine-page.js'
import { smallMachine } from './small-machine.js'

it('lists states with their descriptions, and events taken without leaving', () => {
  const page = machinePage('smallOne', smallMachine)
  expect(page).toContain('Decides little.')
  expect(page).toContain('| `working.dialling.trying` | Tries. | `dial` |  |')
  expect(page).toContain('| `connected` | Outcome. Done. |')
  expect(page).toContain('- takes without leaving: `note.taken`')
})

it('names actors, delays and guards with the states that use them', () => {
  const page = machinePage('smallOne', smallMachine)
  expect(page).toContain('## Delays\n\n| name | used in |\n| --- | --- |\n| `dialWindow` | `working.dialling.trying` |')
  expect(page).toContain('| `hasRoundLeft` | `working.dialling.trying`, `choosing` |')
  expect(page).toContain('## Actors\n\n| name | used in |\n| --- | --- |\n| `dial` | `working.dialling.trying` |')
})

it('links every machine from the index, with its outcomes', () => {
  expect(machinesIndex({ smallOne: smallMachine })).toContain('| [smallOne](small-one.md) | Decides little. | `connected`, `failed` |')
})

it('names states without a description and invokes without an error edge', () => {
  const careless = createMachine({ id: 'careless', description: 'Forgets.', initial: 'a', states: { a: { invoke: { id: 'job', src: 'work' } } } })
  expect(machineFaults('careless', careless)).toEqual(['careless.a: no description', 'careless.a: invoke work as job has no onError'])
  expect(machineFaults('smallOne', smallMachine)).toEqual([])
})
