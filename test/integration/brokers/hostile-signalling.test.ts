import { randomBytes } from 'node:crypto'
import { filter, firstValueFrom, map, ReplaySubject, timeout } from 'rxjs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createNode, type Node } from '../../../src/index.js'
import { connectBroker, type BrokerLink } from '../../../src/net/mqtt-link.js'
import { decodeAddress, decodeAddressBytes } from '../../../src/protocol/address.js'
import { parseBrokerUrl } from '../../../src/protocol/broker-url.js'
import { openEnvelope, sealEnvelope, type EnvelopeInput, type Letter } from '../../../src/protocol/envelope.js'
import { newSealingKey } from '../../../src/net/sealing-key.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import { decodePeerId } from '../../../src/protocol/peer-id.js'
import type { OfferMessage, SignalMessage } from '../../../src/protocol/signal-message.js'
import { inboxTopic, nodeTopic } from '../../../src/protocol/topic.js'
import { mosquittoMissing, startMosquitto, type Mosquitto } from '../../support/mosquitto.js'
import { describeIf } from '../../support/requirements.js'

const never = new AbortController().signal
const waitLimitMs = 10_000
const tenMinutesMs = 600_000
const hexId = (): string => randomBytes(16).toString('hex')

describeIf('a node that gets letters from somebody who means harm', mosquittoMissing, () => {
  const attacker = identityFromSeed(randomBytes(32))
  const inbox = inboxTopic(randomBytes(20))
  /** Bounded by what these tests provoke. */
  const received: Letter[] = []
  const letters$ = new ReplaySubject<Letter>()
  /** Root actors the node has started: each attempt is one. */
  const roots = new Set<string>()
  let broker: Mosquitto
  let node: Node
  let link: BrokerLink
  let recipient: { readonly publicKey: Uint8Array; readonly doorKey: Uint8Array }

  beforeAll(async () => {
    broker = await startMosquitto()
    node = await createNode({
      identity: { seed: randomBytes(32) }, mqtt: [broker.url], stun: [], ntp: [], portMapping: false, allow: 'any',
      inspect: ({ rootId }) => void roots.add(rootId),
    })
    node.handle('', pipe => void pipe.destroy())
    recipient = { publicKey: decodePeerId(node.id), doorKey: decodeAddress(node.address).doorKey }
    link = await connectBroker(parseBrokerUrl(broker.url), { signal: never, timeoutMs: waitLimitMs })
    link.messages$.pipe(map(({ payload }) => openEnvelope(payload, attacker)), filter(letter => letter !== undefined)).subscribe(letter => {
      received.push(letter)
      letters$.next(letter)
    })
    await link.subscribe(inbox, { signal: never })
  })
  afterAll(async () => {
    await link?.close()
    await node?.close()
    await broker?.close()
  })

  const publish = (payload: Uint8Array): Promise<void> => link.publish(nodeTopic(recipient.publicKey), payload, { signal: new AbortController().signal })

  const seal = (message: SignalMessage, input: Partial<EnvelopeInput> = {}): Buffer => sealEnvelope({
    message, sender: attacker, recipient: recipient.publicKey, doorKey: recipient.doorKey, messageId: hexId(), timeMs: Date.now(), ephemeralKey: newSealingKey(), ...input,
  })

  const offer = (fields: Partial<OfferMessage> = {}): OfferMessage => ({
    type: 'offer', session: hexId(), attempt: hexId(), protocol: '', strategies: ['reverse'], interfaces: [], punch: [], relay: [], inbox, doorKey: attacker.doorKey, machineTag: randomBytes(8), brokerRttMs: 1, ...fields,
  })

  const replyTo = (messageId: string, type: SignalMessage['type']): Promise<Letter> =>
    firstValueFrom(letters$.pipe(filter(({ message }) => message.type === type && 'of' in message && message.of === messageId), timeout(waitLimitMs)))

  /** What the node did because of the letters before: a broker delivers in order, so its answer to a look-up comes after. */
  async function effectsOf(send: () => Promise<void>): Promise<{ replies: string[]; attempts: number }> {
    const [lettersBefore, rootsBefore] = [received.length, roots.size]
    await send()
    const messageId = hexId()
    await publish(seal({ type: 'lookup', inbox, doorKey: attacker.doorKey }, { messageId }))
    const { message } = await replyTo(messageId, 'ack')
    expect(message.type === 'ack' && decodeAddressBytes(message.address ?? Buffer.of()).id).toBe(node.id)
    return { replies: received.slice(lettersBefore).filter(letter => letter.message !== message).map(letter => letter.message.type), attempts: roots.size - rootsBefore }
  }

  const nothing = { replies: [], attempts: 0 }

  it('ignores what is no envelope', async () => {
    const garbage = [Buffer.of(), Buffer.of(1), Buffer.of(1, 1), ...Array.from({ length: 60 }, (_, index) => randomBytes(index * 67)), Buffer.alloc(4_097, 1), randomBytes(200_000)]
    expect(await effectsOf(async () => {
      for (const payload of garbage) await publish(payload)
    })).toEqual(nothing)
  })

  it('ignores every truncated prefix of an offer, and what follows a whole one', async () => {
    const whole = seal(offer())
    expect(await effectsOf(async () => {
      await Promise.all(Array.from({ length: whole.length }, (_, length) => publish(whole.subarray(0, length))))
      await publish(Buffer.concat([whole, Buffer.of(0)]))
    })).toEqual(nothing)
  })

  it('ignores an offer that was changed on the way', async () => {
    const whole = seal(offer())
    expect(await effectsOf(async () => {
      for (let index = 0; index < whole.length; index += 7) {
        const changed = Buffer.from(whole)
        changed.writeUInt8((whole[index] ?? 0) ^ 1, index)
        await publish(changed)
      }
    })).toEqual(nothing)
  })

  it('ignores an offer to somebody else', async () => {
    const other = identityFromSeed(randomBytes(32))
    expect(await effectsOf(() => publish(seal(offer(), { recipient: other.publicKey })))).toEqual(nothing)
  })

  it('ignores an offer whose tag proves another door key', async () => {
    expect(await effectsOf(() => publish(seal(offer(), { doorKey: randomBytes(16) })))).toEqual(nothing)
  })

  it('ignores replies to what it never said', async () => {
    const [of, session, attempt] = [hexId(), hexId(), hexId()]
    const { strategies, interfaces, punch, doorKey, machineTag, brokerRttMs } = offer()
    const unasked: SignalMessage[] = [
      { type: 'update', of, attempt, round: 1, punch, relay: [] }, { type: 'commit', of, attempt, round: 1, atMs: Date.now() },
      { type: 'ack', of }, { type: 'refuse', of, attempt, code: 'ERR_REFUSED' }, { type: 'challenge', of, nonce: randomBytes(16) }, { type: 'cancel', session, attempt },
      { type: 'answer', of, session, attempt, strategies, interfaces, punch, relay: [], doorKey, machineTag, brokerRttMs, receivedAtMs: Date.now() },
    ]
    expect(await effectsOf(async () => {
      for (const message of unasked) await publish(seal(message))
    })).toEqual(nothing)
  })

  it('starts one attempt for an offer, however often it is replayed', async () => {
    const envelope = seal(offer())
    expect(await effectsOf(async () => {
      for (let copy = 0; copy < 20; copy++) await publish(envelope)
    })).toEqual({ replies: ['answer', 'ack'], attempts: 1 })
  })

  it.each([['ten minutes ago', -tenMinutesMs], ['ten minutes ahead', tenMinutesMs], ['at the beginning of time', -Date.now()]] as const)('challenges an offer sealed %s, and takes it with its nonce', async (_when, offsetMs) => {
    const messageId = hexId()
    const message = offer()
    const timeMs = Date.now() + offsetMs
    expect(await effectsOf(() => publish(seal(message, { messageId, timeMs })))).toEqual({ replies: ['challenge'], attempts: 0 })
    const challenge = (await replyTo(messageId, 'challenge')).message
    const nonce = challenge.type === 'challenge' ? challenge.nonce : Buffer.of()
    expect(await effectsOf(() => publish(seal({ ...message, nonce }, { timeMs })))).toEqual({ replies: ['answer', 'ack'], attempts: 1 })
  })

  it('takes no stale offer with a nonce nobody gave, or one given to another', async () => {
    const other = identityFromSeed(randomBytes(32))
    const timeMs = Date.now() - tenMinutesMs
    const messageId = hexId()
    await publish(seal(offer(), { messageId, timeMs }))
    const { message } = await replyTo(messageId, 'challenge')
    const nonce = message.type === 'challenge' ? message.nonce : Buffer.of()
    expect(await effectsOf(async () => {
      await publish(seal(offer({ nonce: randomBytes(16) }), { timeMs }))
      await publish(seal(offer({ nonce }), { sender: other, timeMs }))
      // the second challenge is sealed to the other
    })).toEqual({ replies: ['challenge'], attempts: 0 })
  })

  it('answers who holds its address while a flood by id alone goes on', async () => {
    const flood = Array.from({ length: 400 }, () => randomBytes(300)).map(bytes => {
      bytes.fill(0, 0, 18)
      bytes.writeUInt8(1, 0)
      return bytes
    })
    expect(await effectsOf(async () => {
      await Promise.all(flood.map(publish))
    })).toEqual(nothing)
  })
})
