import { beforeEach, describe, expect, it } from 'vitest'
import { BirthdayTurns } from '../../../src/net/birthday-turns.js'
import { FakeClock } from '../../support/fake-clock.js'

let clock: FakeClock
let turns: BirthdayTurns
let begun: string[]
beforeEach(() => {
  clock = new FakeClock()
  turns = new BirthdayTurns(clock)
  begun = []
})

const enter = (key: string, name = key): (() => void) => turns.enter(key, () => begun.push(name))

describe('birthday punches of a node', () => {
  it('begin at once while no other runs', () => {
    expect(turns.use).toEqual({ used: 0, limit: 1 })
    enter('a')
    expect([begun, turns.use]).toEqual([['a'], { used: 1, limit: 1 }])
  })

  it('take turns in the order of their keys, which both nodes know', () => {
    const leave = [enter('a'), enter('c'), enter('b')].map((_, place, all) => all[[0, 2, 1][place]!])
    expect([begun, turns.isWaiting('b')]).toEqual([['a'], true])
    leave[0]?.()
    clock.advance(500)
    expect([begun, turns.isWaiting('b')]).toEqual([['a', 'b'], false])
    leave[1]?.()
    clock.advance(500)
    expect(begun).toEqual(['a', 'b', 'c'])
  })

  it('begin whole bursts after the one before, so that both sides stay in step', () => {
    const leave = enter('a')
    enter('b')
    clock.advance(620)
    leave()
    clock.advance(379)
    expect(begun).toEqual(['a'])
    clock.advance(1)
    expect(begun).toEqual(['a', 'b'])
  })

  it('cool down when nobody waits, too', () => {
    const leave = enter('a')
    clock.advance(100)
    leave()
    enter('b')
    expect(begun).toEqual(['a'])
    clock.advance(400)
    expect(begun).toEqual(['a', 'b'])
    expect(clock.pending).toBe(0)
  })

  it('of one attempt take a turn together, now or later', () => {
    const leave = [enter('a', 'one'), enter('a', 'two'), enter('b', 'three'), enter('b', 'four')]
    expect(begun).toEqual(['one', 'two'])
    leave[0]?.()
    clock.advance(1_000)
    expect(begun).toEqual(['one', 'two'])
    leave[1]?.()
    clock.advance(500)
    expect(begun).toEqual(['one', 'two', 'three', 'four'])
  })

  it('go on at once in a later round, unless others wait', () => {
    enter('a')()
    enter('a', 'again')()
    expect(begun).toEqual(['a', 'again'])
    enter('b')
    enter('a', 'late')
    expect(begun).toEqual(['a', 'again'])
    clock.advance(500)
    expect(begun).toEqual(['a', 'again', 'b'])
  })

  it('tell whether the NAT of the peer answers', () => {
    for (let count = 0; count < 127; count += 1) turns.noteRefusal('a')
    expect(turns.isRefused('a')).toBe(false)
    turns.noteRefusal('a')
    expect([turns.isRefused('a'), turns.isRefused('b')]).toEqual([true, false])
    turns.noteRefusal('b')
    expect(turns.isRefused('a')).toBe(false)
  })

  it('that give up are left out, and leave no timer', () => {
    const leave = [enter('a'), enter('b'), enter('c')]
    leave[1]?.()
    leave[0]?.()
    leave[0]?.()
    clock.advance(500)
    expect(begun).toEqual(['a', 'c'])
    leave[2]?.()
    enter('d')()
    expect([begun, clock.pending, turns.use.used]).toEqual([['a', 'c'], 0, 0])
  })
})
