import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { openEnvelope, sealEnvelope } from '../../../src/protocol/envelope.js'
import { newSealingKey } from '../../../src/net/sealing-key.js'
import type { Identity } from '../../../src/protocol/identity.js'
import type { SignalMessage } from '../../../src/protocol/signal-message.js'
import { Mailroom, type Delivery } from '../../../src/streams/mailroom/mailroom.js'
import { FakeClock } from '../../support/fake-clock.js'
import { alice, bob, carol } from '../protocol/arbitraries.js'

let clock: FakeClock
/** Of bob. */
let mailroom: Mailroom
let delivered: Delivery[]
let published: { brokerId: string; topic: string; payload: Uint8Array }[]

beforeEach(() => {
  clock = new FakeClock()
  delivered = []
  published = []
  mailroom = new Mailroom({
    identity: bob, clock, random: size => randomBytes(size), newKey: newSealingKey, publish: (brokerId, topic, payload) => void published.push({ brokerId, topic, payload }),
  })
  mailroom.letters$.subscribe(delivery => delivered.push(delivery))
  clock.advance(1_000)
})

const hex = () => randomBytes(16).toString('hex')
const inbox = `tl/1/${'a'.repeat(32)}`
const offer = (nonce?: Uint8Array): SignalMessage => ({
  type: 'offer', session: hex(), attempt: hex(), protocol: '', strategies: ['direct'], interfaces: [], punch: [], relay: [], inbox, doorKey: alice.doorKey, machineTag: new Uint8Array(8),
  brokerRttMs: 1, ...(nonce !== undefined && { nonce }),
})

interface LetterOptions { readonly sender?: Identity; readonly doorKey?: Uint8Array | null; readonly timeMs?: number; readonly messageId?: string }

/** A letter to bob, tagged unless `doorKey` is null. */
const seal = (message: SignalMessage, { sender = alice, doorKey = bob.doorKey, timeMs = clock.wallNow(), messageId = hex() }: LetterOptions = {}): Buffer =>
  sealEnvelope({ message, sender, recipient: bob.publicKey, messageId, timeMs, ephemeralKey: newSealingKey(), ...(doorKey !== null && { doorKey }) })

const challenge = (at = 0) => openEnvelope(published[at]?.payload ?? new Uint8Array(), alice)?.message

describe('offers', () => {
  it('are delivered with the broker they came by', () => {
    mailroom.receive(seal(offer()), 'one')
    expect(delivered).toMatchObject([{ brokerId: 'one', isCopy: false, letter: { senderId: alice.id, message: { type: 'offer' } } }])
  })

  it('that come again by another broker are delivered as copies', () => {
    const letter = seal(offer())
    mailroom.receive(letter, 'one')
    mailroom.receive(letter, 'two')
    expect(delivered.map(({ brokerId, isCopy }) => [brokerId, isCopy])).toEqual([['one', false], ['two', true]])
  })

  it('are told apart by their senders', () => {
    const messageId = hex()
    mailroom.receive(seal(offer(), { messageId }), 'one')
    mailroom.receive(seal(offer(), { messageId, sender: carol }), 'one')
    expect(delivered.map(({ isCopy }) => isCopy)).toEqual([false, false])
  })

  it('whose tag is wrong are dropped, and cost no opening', () => {
    for (let index = 0; index < 200; index++) mailroom.receive(seal(offer(), { doorKey: carol.doorKey }), 'one')
    mailroom.receive(seal(offer(), { doorKey: null }), 'one')
    expect(delivered).toHaveLength(1)
  })

  it('without a tag share 100 openings a second', () => {
    const letters = Array.from({ length: 103 }, () => seal(offer(), { doorKey: null }))
    for (const letter of letters) mailroom.receive(letter, 'one')
    expect(delivered).toHaveLength(100)
    clock.advance(1_000)
    mailroom.receive(seal(offer(), { doorKey: null }), 'one')
    expect(delivered).toHaveLength(101)
  })

  it('with a tag pass while untagged ones flood', () => {
    for (let index = 0; index < 150; index++) mailroom.receive(new Uint8Array(300), 'one')
    mailroom.receive(seal(offer()), 'one')
    expect(delivered).toHaveLength(1)
  })

  it('to somebody else are dropped', () => {
    mailroom.receive(sealEnvelope({ message: offer(), sender: alice, recipient: carol.publicKey, messageId: hex(), timeMs: clock.wallNow(), ephemeralKey: newSealingKey() }), 'one')
    expect(delivered).toEqual([])
  })
})

describe('an offer that is not fresh', () => {
  it.each([['stale', -120_001], ['from the future', 120_001], ['from long before our start', -16_001]])('because it is %s is challenged, at the inbox it names', (_, shiftMs) => {
    mailroom.receive(seal(offer(), { timeMs: clock.wallNow() + shiftMs }), 'one')
    expect(delivered).toEqual([])
    expect(published).toMatchObject([{ brokerId: 'one', topic: inbox }])
    expect(challenge()).toMatchObject({ type: 'challenge', nonce: expect.any(Uint8Array) })
  })

  it('is challenged by every broker it comes by', () => {
    const letter = seal(offer(), { timeMs: 0 })
    mailroom.receive(letter, 'one')
    mailroom.receive(letter, 'two')
    expect(published.map(({ brokerId }) => brokerId)).toEqual(['one', 'two'])
  })

  const nonceOf = (): Uint8Array => {
    mailroom.receive(seal(offer(), { timeMs: 0 }), 'one')
    const message = challenge(published.length - 1)
    if (message?.type !== 'challenge') throw new Error('no challenge came')
    return message.nonce
  }

  it('is delivered when it carries the nonce', () => {
    mailroom.receive(seal(offer(nonceOf()), { timeMs: 0 }), 'one')
    expect(delivered).toHaveLength(1)
  })

  it('may carry the nonce two minutes later', () => {
    const nonce = nonceOf()
    clock.advance(120_000)
    mailroom.receive(seal(offer(nonce), { timeMs: 0 }), 'one')
    expect(delivered).toHaveLength(1)
  })

  it('may not carry it three minutes later', () => {
    const nonce = nonceOf()
    clock.advance(180_000)
    mailroom.receive(seal(offer(nonce), { timeMs: 0 }), 'one')
    expect(delivered).toEqual([])
  })

  it('may not carry the nonce of another sender', () => {
    mailroom.receive(seal(offer(nonceOf()), { timeMs: 0, sender: carol }), 'one')
    expect(delivered).toEqual([])
  })

  it('may not carry an invented nonce', () => {
    mailroom.receive(seal(offer(randomBytes(16)), { timeMs: 0 }), 'one')
    expect(delivered).toEqual([])
  })
})

describe('replies', () => {
  const reply = (of: string): SignalMessage => ({ type: 'ack', of })
  const punching = { attempt: hex(), round: 1 }

  it('reach who waits for them, whatever the clock of the sender says', () => {
    const seen: Delivery[] = []
    const id = hex()
    mailroom.replies$(id, alice.id).subscribe(delivery => seen.push(delivery))
    mailroom.receive(seal(reply(id), { timeMs: 0 }), 'one')
    expect(seen).toMatchObject([{ brokerId: 'one', letter: { message: { type: 'ack', of: id } } }])
  })

  it.each([{ type: 'update', ...punching, punch: [], relay: [] }, { type: 'commit', ...punching, atMs: 1 }] as const)('may be an $type: who waits gets each, with its copies', message => {
    const seen: Delivery[] = []
    const id = hex()
    mailroom.replies$(id, alice.id).subscribe(delivery => seen.push(delivery))
    const letter = seal({ ...message, of: id })
    for (const brokerId of ['one', 'two']) mailroom.receive(letter, brokerId)
    mailroom.receive(seal({ ...message, of: id, round: 2 }), 'one')
    expect(seen.map(({ isCopy }) => isCopy)).toEqual([false, true, false])
    expect(seen[2]?.letter.message).toEqual({ ...message, of: id, round: 2 })
  })

  it('of anybody else are dropped', () => {
    const seen: Delivery[] = []
    const id = hex()
    mailroom.replies$(id, alice.id).subscribe(delivery => seen.push(delivery))
    mailroom.receive(seal(reply(id), { sender: carol }), 'one')
    mailroom.receive(seal(reply(hex())), 'one')
    expect([seen, delivered]).toEqual([[], []])
  })

  it('are not kept for who has left', () => {
    const seen: Delivery[] = []
    const id = hex()
    mailroom.replies$(id, alice.id).subscribe(delivery => seen.push(delivery)).unsubscribe()
    mailroom.receive(seal(reply(id)), 'one')
    expect(seen).toEqual([])
  })
})

it('a cancellation is delivered once', () => {
  const letter = seal({ type: 'cancel', session: hex(), attempt: hex() })
  mailroom.receive(letter, 'one')
  mailroom.receive(letter, 'two')
  expect(delivered).toHaveLength(1)
})

describe('what is no letter', () => {
  it('is dropped without an error: huge', () => {
    expect(() => mailroom.receive(Buffer.concat([seal(offer()), Buffer.alloc(1_000_000)]), 'one')).not.toThrow()
    expect(delivered).toEqual([])
  })

  it('is dropped without an error: every truncation of a real one', () => {
    const letter = seal(offer())
    for (let length = 0; length < letter.length; length++) mailroom.receive(letter.subarray(0, length), 'one')
    expect(delivered).toEqual([])
  })

  it('is dropped without an error: random bytes, and real ones with a byte changed', () => {
    const letter = seal(offer())
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), fc.tuple(fc.nat(letter.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
      const changed = Uint8Array.from(letter)
      changed[at] = (changed[at] ?? 0) ^ flip
      return changed
    })), payload => {
      mailroom.receive(payload, 'one')
      clock.advance(20)
      expect(delivered).toEqual([])
    }))
  })
})
