import { randomBytes } from 'node:crypto'
import { Subject } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import type { AttemptEvent, PunchLetter } from '../../../machines/attempt/attempt.types.js'
import type { BrokerPool } from '../../../src/node/broker-pool.js'
import { exchangeOffer$, type KeptExchange } from '../../../src/node/offer-exchange.js'
import { PeerBook } from '../../../src/node/peer-book.js'
import { openEnvelope, type Letter } from '../../../src/protocol/envelope.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import type { AnswerMessage, CommitMessage, SignalMessage } from '../../../src/protocol/signal-message.js'
import { Mailroom } from '../../../src/streams/mailroom/mailroom.js'
import { FakeClock } from '../../support/fake-clock.js'
import { alice, bob } from '../protocol/arbitraries.js'
import { newSealingKey } from '../../../src/net/sealing-key.js'

let clock: FakeClock
let mailroom: Mailroom
let bobsRoom: Mailroom
/** What alice's node sent to bob. */
let sent: { brokerId: string; letter: Letter }[]
let leases: Map<string, number>
let events: AttemptEvent[]
let kept: KeptExchange[]
let letters$: Subject<PunchLetter>
/** Of the attempt. */
let attempt: string
/** Brokers that cannot be reached. */
let dead: Set<string>

beforeEach(() => {
  clock = new FakeClock()
  sent = []
  leases = new Map()
  events = []
  kept = []
  letters$ = new Subject()
  attempt = hex()
  dead = new Set()
  mailroom = new Mailroom({ identity: alice, clock, random: size => randomBytes(size), newKey: newSealingKey, publish: () => {} })
  bobsRoom = new Mailroom({ identity: bob, clock, random: size => randomBytes(size), newKey: newSealingKey, publish: () => {} })
})

const pool = {
  isUsable: () => true,
  rttMs: () => 7,
  online: async (id: string) => { if (dead.has(id)) throw new Error('unreachable') },
  subscribe: async () => {},
  lease: (id: string) => {
    leases.set(id, (leases.get(id) ?? 0) + 1)
    return { brokerId: id, release: () => leases.set(id, (leases.get(id) ?? 0) - 1) }
  },
  publish: async (brokerId: string, _topic: string, payload: Uint8Array) => {
    const letter = openEnvelope(payload, bob)
    if (letter !== undefined) sent.push({ brokerId, letter })
  },
} as unknown as BrokerPool

const hex = () => randomBytes(16).toString('hex')
const turn = () => new Promise(resolve => setImmediate(resolve))
const start = async (brokers: readonly string[] = ['one', 'two']) => {
  const options = { pool, mailroom, peers: new PeerBook(alice, randomBytes(32)), clock, ownInterfaces: () => [], stateWhere: (_: unknown, gathered: readonly InterfaceRecord[]) => gathered, keep: (_: string, exchange: KeptExchange) => void kept.push(exchange) }
  const request = { peerId: bob.id, sessionKey: 'key', sessionId: hex(), attemptId: attempt, protocol: '', established: false, strategies: ['direct'], brokers, punch: [], relay: [] } as const
  const subscription = exchangeOffer$(options, request, letters$).subscribe(event => events.push(event))
  await turn()
  return subscription
}
const reply = (message: SignalMessage, brokerId = 'one') =>
  mailroom.receive(bobsRoom.seal(message, { publicKey: alice.publicKey, doorKey: alice.doorKey }).payload, brokerId)
/** Of bob, to the offer, at the moment it was sent. */
const answer = (fields: Partial<AnswerMessage> = {}): AnswerMessage => ({
  type: 'answer', session: hex(), attempt, strategies: ['direct'], interfaces: [], punch: [], relay: [], doorKey: bob.doorKey, machineTag: new Uint8Array(8), brokerRttMs: 1,
  receivedAtMs: sent[0]?.letter.timeMs ?? 0, of: offerIds()[0] ?? '', ...fields,
})
const records = (port: number): readonly InterfaceRecord[] => [{ family: 4, external: { host: '203.0.113.7', port } }]
const types = () => events.map(({ type }) => type)
const offerIds = () => sent.filter(({ letter }) => letter.message.type === 'offer').map(({ letter }) => letter.messageId)

describe('an exchange of offers', () => {
  it('sends one offer to every home, as copies', async () => {
    await start()
    expect(sent.map(({ brokerId }) => brokerId)).toEqual(['one', 'two'])
    expect(new Set(offerIds()).size).toBe(1)
  })

  it('answers a challenge with one proven offer, however many brokers bring it', async () => {
    await start()
    const of = offerIds()[0] ?? ''
    reply({ type: 'challenge', of, nonce: randomBytes(16) }, 'one')
    reply({ type: 'challenge', of, nonce: randomBytes(16) }, 'two')
    await turn()
    const proven = sent.slice(2)
    expect(proven.map(({ brokerId }) => brokerId)).toEqual(['one', 'two'])
    expect(new Set(proven.map(({ letter }) => letter.messageId)).size).toBe(1)
    expect(proven[0]?.letter.messageId).not.toBe(of)
  })

  it('does not quarrel with a peer that challenges for ever', async () => {
    await start()
    reply({ type: 'challenge', of: offerIds()[0] ?? '', nonce: randomBytes(16) })
    await turn()
    reply({ type: 'challenge', of: offerIds().at(-1) ?? '', nonce: randomBytes(16) })
    await turn()
    expect(offerIds()).toHaveLength(3)
  })

  it('tells the first answer, and acknowledges each', async () => {
    await start()
    reply(answer(), 'one')
    reply(answer(), 'two')
    await turn()
    expect(types().filter(type => type === 'exchange.answered')).toHaveLength(1)
    expect(sent.filter(({ letter }) => letter.message.type === 'ack')).toHaveLength(2)
  })

  it('learns how far the clock of the peer is off from the stamps of offer and answer', async () => {
    await start()
    reply(answer(), sent[0]?.brokerId)
    const answered = events.find(({ type }) => type === 'exchange.answered')
    expect(answered).toMatchObject({ peerClock: { offsetMs: expect.any(Number), uncertaintyMs: expect.any(Number) } })
    const { offsetMs, uncertaintyMs } = (answered as { peerClock: { offsetMs: number; uncertaintyMs: number } }).peerClock
    expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs)
  })

  it('tells how long offer and answer travelled, and where the peer can be hit', async () => {
    await start()
    const sentMs = sent[0]?.letter.timeMs ?? 0
    clock.advance(70)
    // which thought for 50 of them
    reply(answer({ punch: records(7), relay: [], receivedAtMs: sentMs + 20 }))
    expect(events.at(-1)).toMatchObject({ type: 'exchange.answered', roundTripMs: 20, endpoints: { punch: records(7), relay: [] } })
  })

  it('knows no round trip to a broker it did not ask', async () => {
    await start(['one'])
    clock.advance(70)
    reply(answer(), 'two')
    expect(events.at(-1)).toMatchObject({ type: 'exchange.answered', roundTripMs: 0 })
    expect(events.at(-1)).not.toHaveProperty('peerClock')
  })

  it('sends letters to whoever answered first, by the broker of the answer', async () => {
    await start()
    reply(answer(), 'two')
    const before = sent.length
    letters$.next({ type: 'update', round: 3, records: records(9), relay: [] })
    await turn()
    expect(sent.slice(before).map(({ brokerId, letter: { message } }) => [brokerId, message])).toEqual([
      ['two', { type: 'update', of: expect.any(String), attempt, round: 3, punch: records(9), relay: [] }],
    ])
  })

  it('keeps the latest update for the answer, and no commit', async () => {
    await start()
    letters$.next({ type: 'update', round: 0, records: records(1), relay: [] })
    letters$.next({ type: 'update', round: 0, records: records(2), relay: [] })
    letters$.next({ type: 'commit', round: 1, inMs: 100 })
    reply(answer())
    await turn()
    expect(sent.flatMap(({ letter: { message } }) => (message.type === 'update' || message.type === 'commit' ? [message] : []))).toMatchObject([{ type: 'update', punch: records(2), relay: [] }])
  })

  it('names moments by the wall clock of the peer', async () => {
    await start()
    // a round trip of nothing, by a clock 10 s ahead
    const peerClock = new FakeClock()
    peerClock.advance(10_000)
    bobsRoom = new Mailroom({ identity: bob, clock: peerClock, random: size => randomBytes(size), newKey: newSealingKey, publish: () => {} })
    reply(answer({ receivedAtMs: peerClock.wallNow() }))
    clock.advance(50)
    letters$.next({ type: 'commit', round: 1, inMs: 120.4 })
    await turn()
    const commit = sent.map(({ letter: { message } }) => message).find(({ type }) => type === 'commit') as CommitMessage
    expect(Math.abs(commit.atMs - (clock.wallNow() + 10_120.4))).toBeLessThanOrEqual(1.5)
  })

  it('tells the updates of its attempt, each once, and not without end', async () => {
    await start()
    const of = offerIds()[0] ?? ''
    reply({ type: 'update', of, attempt: hex(), round: 1, punch: records(1), relay: [] })
    for (let round = 0; round < 40; round++) {
      const { payload } = bobsRoom.seal({ type: 'update', of, attempt, round, punch: records(2), relay: [] }, { publicKey: alice.publicKey, doorKey: alice.doorKey })
      for (const brokerId of ['one', 'two']) mailroom.receive(payload, brokerId)
    }
    const updates = events.filter(({ type }) => type === 'peer.updated')
    expect(updates).toEqual(Array.from({ length: 32 }, (_, round) => ({ type: 'peer.updated', round, punch: records(2), relay: [] })))
  })

  it('takes a code it does not know for a refusal', async () => {
    await start()
    reply({ type: 'refuse', attempt: hex(), of: offerIds()[0] ?? '', code: 'ERR_OF_LATER' })
    expect(events.at(-1)).toMatchObject({ type: 'exchange.refused', failure: { code: 'ERR_REFUSED' } })
  })

  it('asks other brokers when those of the peer are dead', async () => {
    dead = new Set(['one', 'two'])
    await start(['one', 'two', 'three'])
    expect([sent.map(({ brokerId }) => brokerId), types()]).toEqual([['three'], ['exchange.published']])
  })

  it('fails when no broker can be reached', async () => {
    dead = new Set(['one', 'two'])
    await start()
    await turn()
    expect(events).toMatchObject([{ type: 'exchange.failed' }])
  })

  it('fails when there is no broker', async () => {
    await start([])
    expect(events).toMatchObject([{ type: 'exchange.failed', failure: { code: 'ERR_NO_BROKER' } }])
  })

  it('withdraws only what was published, where it was published', async () => {
    dead.add('two')
    await start()
    kept[0]?.withdraw()
    expect(sent.filter(({ letter }) => letter.message.type === 'cancel').map(({ brokerId }) => brokerId)).toEqual(['one'])
  })

  it('gives every broker back, and leaves no timer', async () => {
    const subscription = await start(['one', 'two', 'three'])
    subscription.unsubscribe()
    kept[0]?.release()
    await turn()
    expect([[...leases.values()], clock.pending]).toEqual([[0, 0], 0])
  })
})
