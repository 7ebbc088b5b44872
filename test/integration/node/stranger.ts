import { randomBytes } from 'node:crypto'
import { systemClock } from '../../../src/net/clock.js'
import { connectBroker, type BrokerLink } from '../../../src/net/mqtt-link.js'
import { newSealingKey } from '../../../src/net/sealing-key.js'
import type { Node } from '../../../src/node/types.js'
import { decodeAddress } from '../../../src/protocol/address.js'
import { parseBrokerUrl } from '../../../src/protocol/broker-url.js'
import { openEnvelope } from '../../../src/protocol/envelope.js'
import { identityFromSeed } from '../../../src/protocol/identity.js'
import type { InterfaceRecord } from '../../../src/protocol/interface-record.js'
import { decodePeerId } from '../../../src/protocol/peer-id.js'
import type { OfferMessage, SignalMessage } from '../../../src/protocol/signal-message.js'
import { nodeTopic } from '../../../src/protocol/topic.js'
import { Mailroom } from '../../../src/streams/mailroom/mailroom.js'

/** Somebody who writes letters by hand, as no node of ours would. */
export class Stranger {
  readonly identity = identityFromSeed(randomBytes(32))
  /** Letters that came back, in order. */
  readonly received: SignalMessage[] = []
  readonly #link: BrokerLink
  readonly #mailroom: Mailroom
  readonly #target: Node

  private constructor(link: BrokerLink, target: Node) {
    this.#link = link
    this.#target = target
    this.#mailroom = new Mailroom({ identity: this.identity, clock: systemClock(), random: size => randomBytes(size), newKey: newSealingKey, publish: () => {} })
    link.messages$.subscribe(({ payload }) => {
      const message = openEnvelope(payload, this.identity)?.message
      if (message !== undefined) this.received.push(message)
    })
  }

  static async meet(target: Node, brokerUrl: string): Promise<Stranger> {
    const link = await connectBroker(parseBrokerUrl(brokerUrl), { signal: new AbortController().signal, timeoutMs: 5_000 })
    const stranger = new Stranger(link, target)
    await link.subscribe(stranger.#mailroom.inbox, { signal: new AbortController().signal })
    return stranger
  }

  /** Publishes an offer; resolves when the broker has it. `tagged`: as one who holds the address. */
  async offer(interfaces: readonly InterfaceRecord[], rest: Partial<OfferMessage> & { readonly tagged?: boolean } = {}): Promise<void> {
    const { tagged = true, ...fields } = rest
    const { doorKey } = decodeAddress(this.#target.address)
    const message: OfferMessage = {
      type: 'offer', session: randomBytes(16).toString('hex'), attempt: randomBytes(16).toString('hex'), protocol: '', strategies: ['direct', 'reverse'], interfaces,
      punch: [], relay: [], inbox: this.#mailroom.inbox, doorKey: this.identity.doorKey, machineTag: new Uint8Array(8), brokerRttMs: 1, ...fields,
    }
    const publicKey = decodePeerId(this.#target.id)
    await this.publish(this.#mailroom.seal(message, { publicKey, doorKey: tagged ? doorKey : undefined }).payload)
  }

  /** Publishes anything to the topic of the target. */
  async publish(payload: Uint8Array): Promise<void> {
    await this.#link.publish(nodeTopic(decodePeerId(this.#target.id)), payload, { signal: new AbortController().signal })
  }

  types(): readonly string[] {
    return this.received.map(({ type }) => type)
  }

  close(): Promise<void> {
    return this.#link.close()
  }
}

