import { Subject } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import type { BrokerPool } from '../../../src/node/broker-pool.js'
import { Homes } from '../../../src/node/homes.js'
import { FakeClock } from '../../support/fake-clock.js'

/** A pool of brokers b1, b2 … in rendezvous order, which tells of every change at once, as the real one does. */
class FakePool {
  readonly changes$ = new Subject<void>()
  readonly leases = new Map<string, number>()
  readonly topics: string[] = []
  readonly #serving = new Set<string>()
  readonly #failed = new Set<string>()
  readonly #downSince = new Map<string, number>()
  readonly clock: FakeClock
  readonly #count: number

  constructor(clock: FakeClock, count: number) {
    this.clock = clock
    this.#count = count
  }

  ranked = (): string[] => Array.from({ length: this.#count }, (_, index) => `b${index + 1}`)
  isServing = (id: string): boolean => this.#serving.has(id) && this.leases.has(id)
  hasAnswered = (id: string): boolean => this.#serving.has(id) || this.#failed.has(id)
  downSinceMs = (id: string): number | undefined => this.#downSince.get(id)
  subscribe = async (id: string, topic: string): Promise<void> => void this.topics.push(`${id} ${topic}`)

  lease(brokerId: string) {
    this.leases.set(brokerId, (this.leases.get(brokerId) ?? 0) + 1)
    this.#downSince.set(brokerId, this.clock.now())
    this.changes$.next()
    let isHeld = true
    return {
      brokerId,
      release: () => {
        if (!isHeld) return
        isHeld = false
        const left = (this.leases.get(brokerId) ?? 0) - 1
        if (left > 0) this.leases.set(brokerId, left)
        else this.leases.delete(brokerId)
        this.changes$.next()
      },
    }
  }

  up(...ids: string[]): void {
    for (const id of ids) {
      this.#serving.add(id)
      this.#downSince.delete(id)
    }
    this.changes$.next()
  }

  /** The link broke, or the subscription was denied: what is sent to us there does not arrive. */
  down(id: string): void {
    this.#serving.delete(id)
    this.#failed.add(id)
    if (!this.#downSince.has(id)) this.#downSince.set(id, this.clock.now())
    this.changes$.next()
  }
}

let clock: FakeClock
let pool: FakePool
let homes: Homes
const start = (count = 5) => {
  pool = new FakePool(clock, count)
  homes = new Homes(pool as unknown as BrokerPool, clock, ['topic', 'inbox'])
  homes.start()
}
beforeEach(() => {
  clock = new FakeClock()
  start()
})

describe('homes', () => {
  it('are the two best brokers, with both topics', () => {
    expect(homes.current).toEqual(['b1', 'b2'])
    expect(pool.topics).toEqual(['b1 topic', 'b1 inbox', 'b2 topic', 'b2 inbox'])
  })

  it('are online with the first that serves', () => {
    expect(homes.isOnline).toBe(false)
    pool.up('b2')
    expect([homes.isOnline, homes.current]).toEqual([true, ['b2']])
  })

  it('are settled when each has answered, good or bad', () => {
    pool.up('b1')
    expect(homes.isSettled).toBe(false)
    pool.down('b2')
    expect(homes.isSettled).toBe(true)
  })

  it('give a dead broker three seconds, then take the next', () => {
    pool.up('b1')
    clock.advance(2_999)
    expect([...pool.leases.keys()]).toEqual(['b1', 'b2'])
    clock.advance(1)
    expect([...pool.leases.keys()]).toEqual(['b1', 'b2', 'b3'])
    pool.up('b3')
    expect(homes.current).toEqual(['b1', 'b3'])
  })

  it('replace a broker that dies later', () => {
    pool.up('b1', 'b2')
    clock.advance(60_000)
    pool.down('b1')
    clock.advance(3_000)
    pool.up('b3')
    expect(homes.current).toEqual(['b2', 'b3'])
  })

  it('take one broker after the other while all are dead, each once', () => {
    clock.advance(3_000)
    expect([...pool.leases.keys()]).toEqual(['b1', 'b2', 'b3', 'b4'])
    clock.advance(3_000)
    expect([...pool.leases]).toEqual([['b1', 1], ['b2', 1], ['b3', 1], ['b4', 1], ['b5', 1]])
    expect(homes.current).toEqual(['b1', 'b2'])
    clock.advance(60_000)
    expect(clock.pending).toBe(0)
  })

  it('go back to a better broker that returns, and leave the worse one', () => {
    pool.up('b1')
    clock.advance(3_000)
    pool.up('b3')
    pool.up('b2')
    expect([homes.current, [...pool.leases.keys()]]).toEqual([['b1', 'b2'], ['b1', 'b2']])
  })

  it('leave worse brokers that are dead, too', () => {
    clock.advance(6_000)
    pool.up('b1', 'b2')
    expect([...pool.leases.keys()]).toEqual(['b1', 'b2'])
  })

  it('tell each change once', () => {
    const seen: string[] = []
    homes.changes$.subscribe(current => seen.push(current.join()))
    pool.up('b1', 'b2')
    pool.down('b2')
    pool.down('b2')
    clock.advance(3_000)
    pool.up('b3')
    expect(seen).toEqual(['b1', 'b1,b3'])
  })

  it('with fewer brokers than wanted go without', () => {
    start(1)
    pool.up('b1')
    expect(homes.current).toEqual(['b1'])
    expect(clock.pending).toBe(1)
  })

  it('give every broker back at the end, and wait for nothing', () => {
    clock.advance(3_000)
    homes.close()
    expect([pool.leases.size, clock.pending]).toEqual([0, 0])
    pool.up('b1')
    expect(pool.leases.size).toBe(0)
  })
})
