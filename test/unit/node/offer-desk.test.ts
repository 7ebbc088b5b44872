import { randomBytes } from 'node:crypto'
import { Subject } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import type { AttemptEvent, PunchLetter } from '../../../machines/attempt/attempt.types.js'
import type { ReceivedOffer } from '../../../machines/connection/connection.types.js'
import { Budget } from '../../../src/net/budget.js'
import { newSealingKey } from '../../../src/net/sealing-key.js'
import { Access } from '../../../src/node/access.js'
import type { BrokerPool } from '../../../src/node/broker-pool.js'
import { OfferDesk } from '../../../src/node/offer-desk.js'
import { PeerBook } from '../../../src/node/peer-book.js'
import { openEnvelope, type Letter } from '../../../src/protocol/envelope.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import type { SignalMessage } from '../../../src/protocol/signal-message.js'
import { Mailroom } from '../../../src/streams/mailroom/mailroom.js'
import { FakeClock } from '../../support/fake-clock.js'
import { alice, bob } from '../protocol/arbitraries.js'
import { relayRecord } from '../../support/machines/samples.js'

let clock: FakeClock
let alicesRoom: Mailroom
let mailroom: Mailroom
/** What bob's node sent to alice. */
let sent: { readonly brokerId: string; readonly letter: Letter }[]
let events: AttemptEvent[]
let offers: ReceivedOffer[]
let letters$: Subject<PunchLetter>
let desk: OfferDesk
let ownRttMs: number

const hex = () => randomBytes(16).toString('hex')
const attempt = hex()
const records = (port: number): readonly InterfaceRecord[] => [{ family: 4, external: { host: '203.0.113.7', port } }]

beforeEach(() => {
  clock = new FakeClock()
  ;[sent, events, offers, letters$, ownRttMs] = [[], [], [], new Subject(), 20]
  alicesRoom = new Mailroom({ identity: alice, clock, random: randomBytes, newKey: newSealingKey, publish: () => {} })
  mailroom = new Mailroom({ identity: bob, clock, random: randomBytes, newKey: newSealingKey, publish: () => {} })
  const pool = {
    rttMs: () => ownRttMs,
    publish: async (brokerId: string, _topic: string, payload: Uint8Array) => {
      const letter = openEnvelope(payload, alice)
      if (letter !== undefined) sent.push({ brokerId, letter })
    },
  } as unknown as BrokerPool
  desk = new OfferDesk({
    pool, mailroom, clock, peers: new PeerBook(bob, randomBytes(32)), access: new Access({ allow: 'any' }), budget: new Budget(clock),
    ownInterfaces: () => [], stateWhere: (_strategies, gathered) => gathered, addressFor: () => new Uint8Array(), onOffer: (_peerId, _message, received) => offers.push(received), onCancel: () => {}, hasPipe: () => false,
  })
  mailroom.letters$.subscribe(delivery => desk.take(delivery))
})

const tell = (message: SignalMessage, brokerId = 'one') =>
  mailroom.receive(alicesRoom.seal(message, { publicKey: bob.publicKey, doorKey: bob.doorKey }).payload, brokerId)
const saidOf = (type: SignalMessage['type']) => sent.filter(({ letter }) => letter.message.type === type)

/** Alice offers, bob answers; the id of the answer. */
function answered(brokerRttMs = 30): string {
  tell({
    type: 'offer', session: hex(), attempt, protocol: '', strategies: ['punch'], interfaces: [], punch: records(1), relay: [], inbox: alicesRoom.inbox, doorKey: alice.doorKey,
    machineTag: new Uint8Array(8), brokerRttMs,
  })
  const { offerId = '' } = offers.at(-1) ?? {}
  desk.answer$({ offerId, strategies: ['punch'], punch: records(2), relay: [] }, letters$).subscribe(event => events.push(event))
  return saidOf('answer').at(-1)?.letter.messageId ?? ''
}

describe('the answer to an offer', () => {
  it('says where we can be hit, and is told when it left, with half a round trip by both broker links', () => {
    answered()
    expect(saidOf('answer').map(({ brokerId, letter: { message } }) => [brokerId, message])).toMatchObject([['one', { punch: records(2) }]])
    expect(events).toEqual([{ type: 'answer.sent', alignMs: 25 }])
    expect(offers[0]?.target.endpoints?.punch).toEqual(records(1))
  })

  it('waits for nothing where no round trip is known, and not for ever whatever the peer states', () => {
    ownRttMs = 0
    answered(0)
    answered(65_535)
    expect(events).toEqual([{ type: 'answer.sent', alignMs: 0 }, { type: 'answer.sent', alignMs: 5_000 }])
  })

  it('is followed by updates, by the same broker', () => {
    answered()
    letters$.next({ type: 'update', round: 1, records: records(3), relay: [] })
    letters$.next({ type: 'commit', round: 1, inMs: 5 })
    const [update] = saidOf('update')
    expect([update?.brokerId, update?.letter.message]).toEqual(['one', { type: 'update', of: offers[0]?.offerId, attempt, round: 1, punch: records(3), relay: [] }])
    expect(saidOf('commit')).toEqual([])
  })
})

describe('what is said to the answer', () => {
  const said = () => events.slice(1)

  it('are updates, and moments by our wall clock', () => {
    const of = answered()
    tell({ type: 'update', of, attempt, round: 1, punch: records(4), relay: [relayRecord(4)] })
    tell({ type: 'commit', of, attempt, round: 1, atMs: clock.wallNow() + 700 })
    expect(said()).toEqual([{ type: 'peer.updated', round: 1, punch: records(4), relay: [relayRecord(4)] }, { type: 'peer.committed', round: 1, inMs: 700 }])
  })

  it('means now where the moment has passed, and nothing where it is more than 5 s ahead', () => {
    const of = answered()
    for (const [round, aheadMs] of [[1, -1], [2, 5_000], [3, 5_001]] as const) tell({ type: 'commit', of, attempt, round, atMs: clock.wallNow() + aheadMs })
    expect(said()).toEqual([{ type: 'peer.committed', round: 1, inMs: 0 }, { type: 'peer.committed', round: 2, inMs: 5_000 }])
  })

  it('counts for its attempt only', () => {
    const of = answered()
    tell({ type: 'update', of, attempt: hex(), round: 1, punch: records(4), relay: [] })
    tell({ type: 'commit', of, attempt: hex(), round: 1, atMs: clock.wallNow() })
    tell({ type: 'update', of: hex(), attempt, round: 1, punch: records(4), relay: [] })
    expect(said()).toEqual([])
  })

  it('is heard 32 times', () => {
    const of = answered()
    for (let round = 1; round <= 40; round++) tell({ type: 'update', of, attempt, round, punch: [], relay: [] })
    expect(said()).toHaveLength(32)
  })

  it('shows that the answer arrived: it goes nowhere else then', () => {
    const of = answered()
    tell({ type: 'update', of, attempt, round: 1, punch: [], relay: [] })
    expect(clock.pending).toBe(0)
  })
})
