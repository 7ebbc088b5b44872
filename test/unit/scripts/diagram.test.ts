import { describe, expect, it } from 'vitest'
import { createMachine } from 'xstate'
import { diagram } from '../../../scripts/docs/diagram.js'
import { smallMachine } from './small-machine.js'

const lines = diagram(smallMachine).split('\n').map(line => line.trim())

describe('the diagram of a machine', () => {
  it('opens as a mermaid state diagram and closes every state it opens', () => {
    expect(lines[0]).toBe('stateDiagram-v2')
    expect(lines.filter(line => line.endsWith('{'))).toHaveLength(lines.filter(line => line === '}').length)
  })

  it('declares every state once, under a name mermaid accepts', () => {
    const declared = lines.flatMap(line => /^state ".+" as (\w+)/.exec(line)?.[1] ?? [])
    for (const path of ['resting', 'working', 'working__dialling', 'working__dialling__trying', 'working__asking__asked', 'choosing', 'failed']) {
      expect(declared.filter(name => name === `small_one__${path}`)).toHaveLength(1)
    }
  })

  it('shows `always` edges with their guards', () => {
    expect(lines).toContain('small_one__choosing --> small_one__connected : always [hasRoundLeft and isWarm]')
    expect(lines).toContain('small_one__choosing --> small_one__failed : always')
  })

  it('shows events, delays by name, and how actors end', () => {
    expect(lines).toContain('small_one__resting --> small_one__working : peer.connect')
    expect(lines).toContain('small_one__working__dialling__trying --> small_one__failed : after dialWindow [not hasRoundLeft]')
    expect(lines).toContain('small_one__working__dialling__trying --> small_one__working__dialling__dialled : done dial')
    expect(lines).toContain('small_one__working__dialling__trying --> small_one__working__dialling__waiting : error dial')
    expect(lines).toContain('small_one__working --> small_one__choosing : all done')
    expect(lines).toContain('small_one__working__dialling__trying : runs dial')
  })

  it('marks where each level begins and ends, and divides parallel regions', () => {
    expect(lines).toContain('[*] --> small_one__resting')
    expect(lines).toContain('[*] --> small_one__working__dialling__trying')
    expect(lines).toContain('small_one__connected --> [*]')
    expect(lines.filter(line => line === '--')).toHaveLength(1)
  })

  it('puts a stand-in where an edge joins a state and one that contains it', () => {
    expect(lines).toContain('small_one__any --> small_one__failed : peer.leave')
    expect(lines).toContain('small_one__working__dialling__waiting --> small_one__working__dialling__again : dial.again')
    expect(lines).toContain('state "dialling from the start" as small_one__working__dialling__again')
  })

  it('draws edges that cross containers or regions at the end, outside of all', () => {
    const machine = createMachine({
      id: 'm',
      initial: 'box',
      on: { deep: '#m.box.inner.leaf' },
      states: { box: { initial: 'inner', states: { inner: { initial: 'leaf', states: { leaf: { on: { whole: { target: '#m.box', reenter: true } } } } } } } },
    })
    const last = diagram(machine).trimEnd().split('\n').slice(-2)
    expect(last).toEqual(['  m__any --> m__box__inner__leaf : deep', '  m__box__inner__leaf --> m__box__again : whole'])
  })

  it('leaves out what leads nowhere', () => {
    expect(lines.join('\n')).not.toContain('note.taken')
  })

  it('draws a parallel root and a machine without states', () => {
    const parallel = diagram(createMachine({ id: 'both', type: 'parallel', states: { left: {}, right: {} } }))
    expect(parallel).toContain('state "both" as both {')
    expect(parallel).toContain('--')
    expect(diagram(createMachine({ id: 'empty' }))).toBe('stateDiagram-v2\n')
  })
})
