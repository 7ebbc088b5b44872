import type { PeerTarget } from '../../machines/attempt/attempt.types.js'
import { defaults } from '../config/defaults.js'
import { ThroughlineError, type Failure } from '../errors/index.js'
import type { Clock } from '../net/clock.js'
import { decodeAddress, decodeAddressBytes, looksLikeAddress, type AddressRecord } from '../protocol/address.js'
import { formatBrokerUrl, parseBrokerUrl } from '../protocol/broker-url.js'
import { decodePeerId } from '../protocol/peer-id.js'
import { nodeTopic } from '../protocol/topic.js'
import type { Delivery, Mailroom } from '../streams/mailroom/mailroom.js'
import type { BrokerLease, BrokerPool } from './broker-pool.js'
import { askInWaves, pause } from './broker-waves.js'
import type { PeerBook } from './peer-book.js'

/** What resolving takes. */
export interface ResolverOptions {
  readonly pool: BrokerPool
  readonly mailroom: Mailroom
  readonly peers: PeerBook
  readonly clock: Clock
}

interface AddressFacts {
  readonly brokers: readonly string[]
  /** Our own list in the order of the peer's topic. */
  readonly ranked: readonly string[]
  readonly endpoints: PeerTarget['endpoints']
}

/** Turns what the user wrote (an address, an id, `ID@broker-url`) into a target. */
export class Resolver {
  readonly #options: ResolverOptions
  /** Addresses read lately: a signature is checked once. At most `maxAddresses`, the eldest is forgotten. */
  readonly #addresses = new Map<string, AddressRecord>()
  readonly #facts = new WeakMap<AddressRecord, AddressFacts>()

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  /** What an address says, without asking anybody; undefined for all else, and for an address that is not valid. */
  known(peer: string): PeerTarget | undefined {
    const text = peer.trim()
    try {
      return looksLikeAddress(text) ? this.#targetOf(this.#read(text)) : undefined
    } catch {
      return undefined
    }
  }

  /** Rejects with ERR_ADDRESS_*, ERR_BROKER_URL, ERR_PEER_UNKNOWN, ERR_NO_BROKER or ERR_CANCELLED. */
  async resolve(peer: string, signal: AbortSignal): Promise<PeerTarget> {
    const text = peer.trim()
    if (looksLikeAddress(text)) return this.#targetOf(this.#read(text))
    const [id = '', ...broker] = text.split('@')
    if (id.includes('.')) throw unknownName(id)
    const peerId = id.toLowerCase()
    const topic = nodeTopic(decodePeerId(peerId))
    const brokers = broker.length > 0 ? [this.#options.pool.know(parseBrokerUrl(broker.join('@')))] : this.#options.pool.ranked(topic)
    const target = this.#targetOf(await this.#lookUp(peerId, topic, brokers, signal))
    return { ...target, brokers: [...new Set([...brokers.slice(0, broker.length), ...target.brokers])] }
  }

  #read(text: string): AddressRecord {
    const known = this.#addresses.get(text)
    if (known !== undefined) return known
    const record = decodeAddress(text)
    this.#addresses.set(text, record)
    const [eldest] = this.#addresses.keys()
    if (this.#addresses.size > maxAddresses && eldest !== undefined) this.#addresses.delete(eldest)
    return record
  }

  #targetOf(record: AddressRecord): PeerTarget {
    const { pool, peers } = this.#options
    const { brokers, ranked, endpoints } = this.#factsOf(record)
    peers.learnDoorKey(record.id, record.doorKey)
    const named = brokers.filter(brokerId => pool.isUsable(brokerId))
    return { peerId: record.id, brokers: [...new Set([...named.slice(0, defaults.signalling.foreignMax), ...ranked])], endpoints }
  }

  /** What follows from an address alone; worked out once for those that are remembered. */
  #factsOf(record: AddressRecord): AddressFacts {
    const known = this.#facts.get(record)
    if (known !== undefined) return known
    const isSameMachine = this.#options.peers.isSameMachine(record.id, record.machineTag)
    const facts: AddressFacts = {
      ranked: this.#options.pool.ranked(nodeTopic(decodePeerId(record.id))),
      brokers: record.brokers.map(url => formatBrokerUrl(parseBrokerUrl(url))),
      endpoints: record.interfaces.length === 0 ? undefined : { interfaces: record.interfaces, punch: [], relay: [], isSameMachine },
    }
    this.#facts.set(record, facts)
    return facts
  }

  async #lookUp(peerId: string, topic: string, brokers: readonly string[], signal: AbortSignal): Promise<AddressRecord> {
    const { clock } = this.#options
    if (brokers.length === 0) throw new ThroughlineError('ERR_NO_BROKER', 'an id alone needs a broker to ask, and there is none')
    const lookup = new LookUp(this.#options, peerId, topic)
    const stop = new AbortController()
    const stopping = AbortSignal.any([signal, stop.signal])
    try {
      const asking = askInWaves({ brokers, first: defaults.signalling.lookupFirst, clock, signal: stopping, ask: brokerId => lookup.ask(brokerId, stopping) })
      const nobody = asking.then(failures => (failures.length >= Math.min(brokers.length, defaults.signalling.lookupMaxBrokers) ? failures : new Promise<never>(() => {})))
      const outcome = await Promise.race([lookup.answer, nobody, pause(clock, defaults.signalling.lookupTimeoutMs, stopping)])
      if (signal.aborted) throw new ThroughlineError('ERR_CANCELLED', 'the look-up was cancelled', { cause: signal.reason })
      if (outcome === undefined) throw new ThroughlineError('ERR_PEER_UNKNOWN', `no broker had an answer for ${peerId}`, { facts: { peerId } })
      if ('id' in outcome) return outcome
      throw noBroker(outcome)
    } finally {
      stop.abort()
      lookup.release()
    }
  }
}

/** Up to 1.6 kB each. */
const maxAddresses = 64

/** One question to several brokers. */
class LookUp {
  readonly answer: Promise<AddressRecord>
  readonly #options: ResolverOptions
  readonly #peerId: string
  readonly #topic: string
  /** Both bounded by the brokers asked. */
  readonly #leases: BrokerLease[] = []
  readonly #subscriptions: { unsubscribe(): void }[] = []
  /** Brokers by which a challenge was answered. */
  readonly #proven = new Set<string>()
  #resolve: (record: AddressRecord) => void = () => {}

  constructor(options: ResolverOptions, peerId: string, topic: string) {
    this.#options = options
    this.#peerId = peerId
    this.#topic = topic
    this.answer = new Promise(resolve => (this.#resolve = resolve))
  }

  /** Resolves when the question is with the broker; rejects with ERR_BROKER_* or ERR_CANCELLED. */
  async ask(brokerId: string, signal: AbortSignal): Promise<void> {
    const { pool, mailroom } = this.#options
    this.#leases.push(pool.lease(brokerId))
    await pool.online(brokerId, AbortSignal.any([signal, AbortSignal.timeout(defaults.signalling.connectTimeoutMs)]))
    await pool.subscribe(brokerId, mailroom.inbox)
    await this.#publish(brokerId, undefined)
  }

  release(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe()
    for (const lease of this.#leases.splice(0)) lease.release()
  }

  /** The peer does not trust our clock: the question again, with its nonce; once per broker. */
  #prove(brokerId: string, nonce: Uint8Array): void {
    if (this.#proven.has(brokerId)) return
    this.#proven.add(brokerId)
    this.#publish(brokerId, nonce).catch(() => {})
  }

  #publish(brokerId: string, nonce: Uint8Array | undefined): Promise<void> {
    const { pool, mailroom, peers } = this.#options
    const messageId = mailroom.newId()
    this.#subscriptions.push(mailroom.replies$(messageId, this.#peerId).subscribe(delivery => this.#onReply(delivery)))
    const lookup = { type: 'lookup', inbox: mailroom.inbox, doorKey: mailroom.doorKey, ...(nonce !== undefined && { nonce }) } as const
    return pool.publish(brokerId, this.#topic, mailroom.seal(lookup, peers.recipient(this.#peerId), messageId).payload)
  }

  #onReply({ letter: { message }, brokerId }: Delivery): void {
    if (message.type === 'challenge') return this.#prove(brokerId, message.nonce)
    if (message.type !== 'ack' || message.address === undefined) return
    try {
      const record = decodeAddressBytes(message.address)
      if (record.id === this.#peerId) this.#resolve(record)
    } catch {
      // an answer that is no address is no answer
    }
  }
}

/** A name has dots, an id never. */
const unknownName = (name: string) =>
  new ThroughlineError('ERR_PEER_UNKNOWN', `this version cannot look names up yet (${name.slice(0, 80)}): use an address or an id`, { facts: { name } })

const noBroker = (failures: readonly Failure[]) => {
  const first = failures[0]
  return new ThroughlineError(first?.code ?? 'ERR_NO_BROKER', `no broker could be asked: ${first?.message ?? 'none is configured'}`)
}
