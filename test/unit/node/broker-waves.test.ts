import { beforeEach, describe, expect, it } from 'vitest'
import { ThroughlineError } from '../../../src/errors/index.js'
import { askInWaves, pause } from '../../../src/node/broker-waves.js'
import { FakeClock } from '../../support/fake-clock.js'

let clock: FakeClock
let stop: AbortController
let asked: string[]
let settle: Map<string, { resolve(): void; reject(error: unknown): void }>
beforeEach(() => {
  clock = new FakeClock()
  stop = new AbortController()
  asked = []
  settle = new Map()
})

const brokers = Array.from({ length: 12 }, (_, index) => `b${index + 1}`)
const start = (names: readonly string[] = brokers) =>
  askInWaves({
    brokers: names, first: 2, clock, signal: stop.signal,
    ask: brokerId => new Promise((resolve, reject) => {
      asked.push(brokerId)
      settle.set(brokerId, { resolve, reject })
    }),
  })
/** Lets every promise that can go on do so. */
const turn = () => new Promise(resolve => setImmediate(resolve))
const fail = async (...names: string[]) => {
  for (const name of names) settle.get(name)?.reject(new ThroughlineError('ERR_BROKER_UNREACHABLE', name))
  await turn()
}

describe('asking brokers', () => {
  it('begins with the first two', async () => {
    void start()
    await turn()
    expect(asked).toEqual(['b1', 'b2'])
  })

  it('asks the next three after 1.5 s, not before', async () => {
    void start()
    clock.advance(1_499)
    await turn()
    expect(asked).toHaveLength(2)
    clock.advance(1)
    await turn()
    expect(asked).toEqual(['b1', 'b2', 'b3', 'b4', 'b5'])
  })

  it('asks the next three at once when all before have failed', async () => {
    void start()
    await fail('b1')
    expect(asked).toHaveLength(2)
    await fail('b2')
    expect(asked).toHaveLength(5)
  })

  it('waits while one of those before may still answer', async () => {
    void start()
    settle.get('b1')?.resolve()
    await fail('b2')
    expect(asked).toHaveLength(2)
  })

  it('asks eight at most, and tells every failure', async () => {
    const asking = start()
    await fail('b1', 'b2')
    await fail('b3', 'b4', 'b5')
    await fail('b6', 'b7', 'b8')
    expect((await asking).map(({ message }) => message)).toEqual(['b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8'])
    expect(asked).toHaveLength(8)
    expect(clock.pending).toBe(0)
  })

  it('stops when there is an answer', async () => {
    const asking = start()
    settle.get('b1')?.resolve()
    stop.abort()
    expect(await asking).toEqual([])
    clock.advance(10_000)
    await turn()
    expect(asked).toEqual(['b1', 'b2'])
    expect(clock.pending).toBe(0)
  })

  it('ends at once when there is nobody to ask', async () => {
    expect(await start([])).toEqual([])
  })

  it('resolves without failures when everybody was asked', async () => {
    const asking = start(['b1', 'b2'])
    settle.get('b1')?.resolve()
    settle.get('b2')?.resolve()
    expect(await asking).toEqual([])
  })
})

it('a pause ends with its signal, and leaves no timer', async () => {
  const pausing = pause(clock, 1_000, stop.signal)
  stop.abort()
  await pausing
  expect(clock.pending).toBe(0)
})
