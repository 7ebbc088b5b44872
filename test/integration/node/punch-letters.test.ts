import { randomBytes } from 'node:crypto'
import { firstValueFrom, ReplaySubject, Subject, timeout, type Observable } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AttemptEvent, PunchLetter } from '../../../machines/attempt/attempt.types.js'
import type { ReceivedOffer } from '../../../machines/connection/connection.types.js'
import { defaults } from '../../../src/config/defaults.js'
import { Budget } from '../../../src/net/budget.js'
import { systemClock, type Clock } from '../../../src/net/clock.js'
import { startBroker, type EmbeddedBroker } from '../../../src/net/embedded-broker.js'
import { newSealingKey } from '../../../src/net/sealing-key.js'
import { Access } from '../../../src/node/access.js'
import { BrokerPool } from '../../../src/node/broker-pool.js'
import { exchangeOffer$ } from '../../../src/node/offer-exchange.js'
import { OfferDesk } from '../../../src/node/offer-desk.js'
import { PeerBook } from '../../../src/node/peer-book.js'
import { parseBrokerUrl } from '../../../src/protocol/broker-url.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import { Mailroom } from '../../../src/streams/mailroom/mailroom.js'
import { expectNoOpenSockets } from '../../support/open-sockets.js'

const closers: (() => unknown)[] = []
let broker: EmbeddedBroker
beforeEach(async () => void (broker = await startBroker()))
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  await broker.close()
  await expectNoOpenSockets()
})

const hex = () => randomBytes(16).toString('hex')
const records = (port: number): readonly InterfaceRecord[] => [{ family: 4, external: { host: '203.0.113.7', port } }]
const poll = <T>(value: () => T) => expect.poll(value, { timeout: 5_000, interval: 2 })
/** Wall clock of a host that is off by so much. */
const off = (byMs: number): Clock => {
  const clock = systemClock()
  return { ...clock, wallNow: () => clock.wallNow() + byMs }
}

/** What signalling needs of a node. */
class Office {
  readonly identity = identityFromSeed(randomBytes(32))
  readonly events: AttemptEvent[] = []
  readonly letters$ = new Subject<PunchLetter>()
  readonly clock: Clock
  readonly pool: BrokerPool
  readonly mailroom: Mailroom
  readonly peers = new PeerBook(this.identity, randomBytes(32))

  constructor(clock: Clock) {
    this.clock = clock
    this.pool = new BrokerPool({ brokers: [parseBrokerUrl(broker.url)], clock, random: Math.random, inspect: undefined })
    this.mailroom = new Mailroom({
      identity: this.identity, clock, random: randomBytes, newKey: newSealingKey, publish: (brokerId, topic, payload) => void this.pool.publish(brokerId, topic, payload).catch(() => {}),
    })
    this.pool.messages$.subscribe(({ brokerId, payload }) => this.mailroom.receive(payload, brokerId))
    closers.push(() => this.pool.close())
  }

  follow(events$: Observable<AttemptEvent>): void {
    const subscription = events$.subscribe(event => this.events.push(event))
    closers.unshift(() => subscription.unsubscribe())
  }

  of<T extends AttemptEvent['type']>(type: T): readonly Extract<AttemptEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<AttemptEvent, { type: T }> => event.type === type)
  }
}

/** An initiator that has offered, and a responder that has not answered yet; their wall clocks differ by `apartMs`. */
async function meet(apartMs = 0) {
  const alice = new Office(off(0))
  const bob = new Office(off(apartMs))
  const offers$ = new ReplaySubject<ReceivedOffer>()
  const desk = new OfferDesk({
    ...bob, access: new Access({ allow: 'any' }), budget: new Budget(bob.clock), ownInterfaces: () => [], stateWhere: (_strategies, gathered) => gathered, addressFor: () => new Uint8Array(),
    onOffer: (_peerId, _message, offer) => offers$.next(offer), onCancel: () => {}, hasPipe: () => false,
  })
  bob.mailroom.letters$.subscribe(delivery => desk.take(delivery))
  bob.pool.lease(broker.url)
  await bob.pool.online(broker.url, AbortSignal.timeout(5_000))
  await bob.pool.subscribe(broker.url, bob.mailroom.topic)
  const request = { peerId: bob.identity.id, sessionKey: 'key', sessionId: hex(), attemptId: hex(), protocol: '', established: false, strategies: ['punch'], brokers: [broker.url], punch: records(1), relay: [] } as const
  alice.follow(exchangeOffer$({ ...alice, ownInterfaces: () => [], stateWhere: (_strategies, gathered) => gathered, keep: () => {} }, request, alice.letters$))
  const received = await firstValueFrom(offers$.pipe(timeout(5_000)))
  const answer = () => bob.follow(desk.answer$({ offerId: received.offerId, strategies: ['punch'], punch: records(2), relay: [] }, bob.letters$))
  return { alice, bob, received, answer }
}

async function joined(apartMs = 0) {
  const met = await meet(apartMs)
  met.answer()
  await poll(() => met.alice.of('exchange.answered').length).toBe(1)
  return met
}

describe('offer and answer', () => {
  it('carry where each side can be hit', async () => {
    const { alice, received } = await joined()
    expect(received.target.endpoints?.punch).toEqual(records(1))
    expect(alice.of('exchange.answered')[0]?.endpoints.punch).toEqual(records(2))
  })

  it('tell the initiator how long both took', async () => {
    const { alice } = await joined(10_000)
    const [answered] = alice.of('exchange.answered')
    expect(answered?.roundTripMs).toBeGreaterThan(0)
  })
})

describe('updates', () => {
  it('travel both ways', async () => {
    const { alice, bob } = await joined()
    alice.letters$.next({ type: 'update', round: 1, records: records(3), relay: [] })
    bob.letters$.next({ type: 'update', round: 1, records: records(4), relay: [] })
    await poll(() => bob.of('peer.updated')).toEqual([{ type: 'peer.updated', round: 1, punch: records(3), relay: [] }])
    await poll(() => alice.of('peer.updated')).toEqual([{ type: 'peer.updated', round: 1, punch: records(4), relay: [] }])
  })

  it('from before the answer wait for it, the latest only', async () => {
    const { alice, bob, answer } = await meet()
    for (const port of [5, 6]) alice.letters$.next({ type: 'update', round: 0, records: records(port), relay: [] })
    answer()
    await poll(() => bob.of('peer.updated')).toEqual([{ type: 'peer.updated', round: 0, punch: records(6), relay: [] }])
  })
})

describe('a commit', () => {
  it.each([0, 10_000, -10_000])('names one moment to both sides, by wall clocks %i ms apart', async apartMs => {
    const { alice, bob } = await joined(apartMs)
    const [answered] = alice.of('exchange.answered')
    const momentMs = performance.now() + 2_000
    alice.letters$.next({ type: 'commit', round: 1, inMs: momentMs - performance.now() })
    await poll(() => bob.of('peer.committed').length).toBe(1)
    const { round, inMs } = bob.of('peer.committed')[0]!
    // stamps are whole ms
    const marginMs = (answered?.peerClock?.uncertaintyMs ?? NaN) + 2
    expect(round).toBe(1)
    expect(inMs).toBeLessThan(2_000 + marginMs)
    // it was heard a little before it is looked at
    expect(performance.now() + inMs).toBeGreaterThan(momentMs - marginMs)
  })

  it('too far ahead is none', async () => {
    const { alice, bob } = await joined(10_000)
    const { uncertaintyMs = NaN } = alice.of('exchange.answered')[0]?.peerClock ?? {}
    alice.letters$.next({ type: 'commit', round: 1, inMs: 2 * defaults.punch.maxCommitMs + uncertaintyMs })
    alice.letters$.next({ type: 'commit', round: 2, inMs: 1_000 })
    await poll(() => bob.of('peer.committed').map(({ round }) => round)).toEqual([2])
  })

  it('whose moment has passed means now', async () => {
    const { alice, bob } = await joined()
    alice.letters$.next({ type: 'commit', round: 1, inMs: -1_000 })
    await poll(() => bob.of('peer.committed')).toEqual([{ type: 'peer.committed', round: 1, inMs: 0 }])
  })
})
