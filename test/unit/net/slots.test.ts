import { describe, expect, it } from 'vitest'
import { Slots } from '../../../src/net/slots.js'

describe('Slots', () => {
  it('lets in as many as there are places, the others in order as places come free', () => {
    const entered: string[] = []
    const slots = new Slots(1)
    const [first, second] = ['a', 'b', 'c'].map(name => slots.acquire(() => entered.push(name)))
    expect(entered).toEqual(['a'])
    first?.()
    first?.()
    expect(entered).toEqual(['a', 'b'])
    second?.()
    expect(entered).toEqual(['a', 'b', 'c'])
  })

  it('passes over one that left the queue', () => {
    const entered: string[] = []
    const slots = new Slots(1)
    const leave = slots.acquire(() => entered.push('a'))
    slots.acquire(() => entered.push('b'))()
    slots.acquire(() => entered.push('c'))
    leave()
    expect(entered).toEqual(['a', 'c'])
  })
})
