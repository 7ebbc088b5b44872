import { Observable, Subscription, type Subscriber } from 'rxjs'
import type { AttemptEvent, OfferRequest } from '../../machines/attempt/attempt.types.js'
import { defaults } from '../config/defaults.js'
import { isErrorCode, type Failure } from '../errors/index.js'
import { mutualOffset } from '../nat/clock-mutual.js'
import type { Clock } from '../net/clock.js'
import type { Letter } from '../protocol/envelope.js'
import type { InterfaceRecord } from '../protocol/interface-record.js'
import type { AnswerMessage } from '../protocol/signal-message.js'
import { nodeTopic } from '../protocol/topic.js'
import type { Delivery, Mailroom } from '../streams/mailroom/mailroom.js'
import type { BrokerLease, BrokerPool } from './broker-pool.js'
import { askInWaves } from './broker-waves.js'
import type { PeerBook } from './peer-book.js'

/** What exchanging offers takes. */
export interface ExchangeOptions {
  readonly pool: BrokerPool
  readonly mailroom: Mailroom
  readonly peers: PeerBook
  readonly clock: Clock
  readonly ownInterfaces: () => readonly InterfaceRecord[]
  /** Called with what ends the exchange for good: the leases outlive the attempt (the inbox serves the pipe). */
  readonly keep: (sessionKey: string, exchange: KeptExchange) => void
}

/** What is left of an exchange after its attempt. */
export interface KeptExchange {
  /** Tells the peer, if it may have heard of the attempt, that nothing comes of it. */
  withdraw(): void
  release(): void
}

/** Publishes an offer to a peer’s brokers and turns what comes back into events of the attempt. Cold; each subscription is one exchange. */
export const exchangeOffer$ = (options: ExchangeOptions, request: OfferRequest): Observable<AttemptEvent> =>
  new Observable(subscriber => new OfferExchange(options, request, subscriber).start())

class OfferExchange {
  readonly #options: ExchangeOptions
  readonly #request: OfferRequest
  readonly #subscriber: Subscriber<AttemptEvent>
  readonly #stop = new AbortController()
  /** Ends asking further brokers: somebody answered. */
  readonly #heard = new AbortController()
  readonly #leases: BrokerLease[] = []
  readonly #replies = new Subscription()
  readonly #published = new Set<string>()
  readonly #topic: string
  /** Message id of the offer that carries a nonce; one for all brokers, so that the peer sees copies of one offer. */
  #provenId: string | undefined
  /** When each offer left by each broker, by our wall clock; bounded by the brokers asked. */
  readonly #sentAtMs = new Map<string, number>()
  #hasAnswer = false

  constructor(options: ExchangeOptions, request: OfferRequest, subscriber: Subscriber<AttemptEvent>) {
    this.#options = options
    this.#request = request
    this.#subscriber = subscriber
    this.#topic = nodeTopic(options.peers.recipient(request.peerId).publicKey)
  }

  start(): () => void {
    const { pool, mailroom, clock, keep } = this.#options
    const messageId = mailroom.newId()
    this.#listen(messageId)
    keep(this.#request.sessionKey, { withdraw: () => this.#withdraw(), release: () => this.#release() })
    const asking = askInWaves({
      brokers: this.#request.brokers.filter(brokerId => pool.isUsable(brokerId)), first: defaults.signalling.homes, clock,
      signal: AbortSignal.any([this.#stop.signal, this.#heard.signal]), ask: brokerId => this.#ask(brokerId, messageId),
    })
    void asking.then(failures => {
      // The peer's acknowledgement may be here before the broker's.
      const isUnderWay = this.#published.size > 0 || this.#heard.signal.aborted || this.#stop.signal.aborted
      if (!isUnderWay) this.#tell({ type: 'exchange.failed', failure: failures[0] ?? noBroker })
    })
    return () => {
      this.#stop.abort()
      this.#replies.unsubscribe()
    }
  }

  #listen(messageId: string): void {
    this.#replies.add(this.#options.mailroom.replies$(messageId, this.#request.peerId).subscribe(delivery => this.#onReply(delivery)))
  }

  async #ask(brokerId: string, messageId: string): Promise<void> {
    const { pool, mailroom } = this.#options
    this.#leases.push(pool.lease(brokerId))
    const limit = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(defaults.signalling.connectTimeoutMs)])
    await pool.online(brokerId, limit)
    await pool.subscribe(brokerId, mailroom.inbox)
    if (this.#stop.signal.aborted) return
    await this.#publish(brokerId, messageId, undefined)
    this.#published.add(brokerId)
    this.#tell({ type: 'exchange.published' })
  }

  #publish(brokerId: string, messageId: string, nonce: Uint8Array | undefined): Promise<void> {
    const { pool, mailroom, peers, clock } = this.#options
    const { peerId, sessionId, attemptId, protocol, strategies } = this.#request
    const offer = {
      type: 'offer', session: sessionId, attempt: attemptId, protocol, strategies, interfaces: this.#options.ownInterfaces(), inbox: mailroom.inbox,
      doorKey: mailroom.doorKey, machineTag: peers.ownTag, brokerRttMs: pool.rttMs(brokerId), ...(nonce !== undefined && { nonce }),
    } as const
    this.#sentAtMs.set(`${messageId} ${brokerId}`, clock.wallNow())
    return pool.publish(brokerId, this.#topic, mailroom.seal(offer, peers.recipient(peerId), messageId).payload)
  }

  #onReply({ letter, brokerId }: Delivery): void {
    const { message } = letter
    switch (message.type) {
      case 'ack':
        this.#heard.abort()
        return this.#tell({ type: 'exchange.acknowledged' })
      case 'answer':
        return this.#onAnswer(letter, message, brokerId)
      case 'refuse': {
        const code = isErrorCode(message.code) ? message.code : 'ERR_REFUSED'
        return this.#tell({ type: 'exchange.refused', failure: { code, message: `the peer refused: ${code}` } })
      }
      case 'challenge': {
        if (message.of === this.#provenId) return
        this.#prove(brokerId, message.nonce)
        return
      }
      default:
    }
  }

  /** The peer does not trust our clock: the offer again, with its nonce. A second challenge is not answered, or two clocks could quarrel for ever. */
  #prove(brokerId: string, nonce: Uint8Array): void {
    if (this.#provenId === undefined) {
      this.#provenId = this.#options.mailroom.newId()
      this.#listen(this.#provenId)
    }
    this.#publish(brokerId, this.#provenId, nonce).catch(() => {})
  }

  #onAnswer({ messageId: answerId, timeMs }: Letter, answer: AnswerMessage, brokerId: string): void {
    const { pool, mailroom, peers, clock } = this.#options
    const { peerId } = this.#request
    this.#heard.abort()
    peers.learnDoorKey(peerId, answer.doorKey)
    const { payload } = mailroom.seal({ type: 'ack', of: answerId }, peers.recipient(peerId))
    pool.publish(brokerId, this.#topic, payload).catch(() => {})
    if (this.#hasAnswer) return
    this.#hasAnswer = true
    const isSameMachine = peers.isSameMachine(peerId, answer.machineTag)
    const sentMs = this.#sentAtMs.get(`${answer.of} ${brokerId}`)
    const peerClock = sentMs === undefined ? undefined : mutualOffset({ sentMs, peerReceivedMs: answer.receivedAtMs, peerSentMs: timeMs, receivedMs: clock.wallNow() })
    this.#tell({ type: 'exchange.answered', endpoints: { interfaces: answer.interfaces, isSameMachine }, ...(peerClock !== undefined && { peerClock }) })
  }

  #tell(event: AttemptEvent): void {
    this.#subscriber.next(event)
  }

  #withdraw(): void {
    const { pool, mailroom, peers } = this.#options
    const { peerId, sessionId, attemptId } = this.#request
    if (this.#published.size === 0) return
    const { payload } = mailroom.seal({ type: 'cancel', session: sessionId, attempt: attemptId }, peers.recipient(peerId))
    for (const brokerId of this.#published) pool.publish(brokerId, this.#topic, payload).catch(() => {})
  }

  #release(): void {
    for (const lease of this.#leases.splice(0)) lease.release()
  }
}

const noBroker: Failure = { code: 'ERR_NO_BROKER', message: 'no broker of the peer could be used' }
