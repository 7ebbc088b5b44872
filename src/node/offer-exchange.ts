import { Observable, Subscription, type Subscriber } from 'rxjs'
import type { AttemptEvent, OfferRequest, PunchLetter } from '../../machines/attempt/attempt.types.js'
import { defaults } from '../config/defaults.js'
import { isErrorCode, ThroughlineError, type Failure } from '../errors/index.js'
import { mutualOffset } from '../nat/clock-mutual.js'
import type { Clock } from '../net/clock.js'
import type { Letter } from '../protocol/envelope.js'
import type { InterfaceRecord } from '../protocol/interface-record.js'
import type { AnswerMessage, SignalMessage, UpdateMessage } from '../protocol/signal-message.js'
import { nodeTopic } from '../protocol/topic.js'
import type { Delivery, Mailroom } from '../streams/mailroom/mailroom.js'
import type { BrokerLease, BrokerPool } from './broker-pool.js'
import { askInWaves, pause } from './broker-waves.js'
import type { StateWhere } from './local-endpoints.js'
import type { PeerBook } from './peer-book.js'

/** What exchanging offers takes. */
export interface ExchangeOptions {
  readonly pool: BrokerPool
  readonly mailroom: Mailroom
  readonly peers: PeerBook
  readonly clock: Clock
  readonly ownInterfaces: () => readonly InterfaceRecord[]
  /** Where we can be hit by a punch; without one, for a relay, where we come from. */
  readonly stateWhere: StateWhere
  /** Called with what ends the exchange for good: the leases outlive the attempt (the inbox serves the pipe). */
  readonly keep: (sessionKey: string, exchange: KeptExchange) => void
}

/** What is left of an exchange after its attempt. */
export interface KeptExchange {
  readonly attemptId: string
  /** The peer is there, perhaps only since now: the offer goes out again unless it was heard of. */
  repeat(): void
  /** Tells the peer, if it may have heard of the attempt, that nothing comes of it. */
  withdraw(): void
  release(): void
}

/**
 * Publishes an offer to a peer’s brokers, then what `letters$` says to whoever answered, and turns what comes back into
 * events of the attempt. Cold; each subscription is one exchange.
 */
export const exchangeOffer$ = (options: ExchangeOptions, request: OfferRequest, letters$: Observable<PunchLetter>): Observable<AttemptEvent> =>
  new Observable(subscriber => new OfferExchange(options, request, subscriber).start(letters$))

/** Who answered first, and how. */
interface Answered {
  readonly answerId: string
  readonly brokerId: string
  /** What to add to our wall clock to get the peer's; undefined where the stamps tell nothing. */
  readonly clockOffsetMs: number
}

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
  #answered: Answered | undefined
  /** The latest update that came before the answer. */
  #early: PunchLetter | undefined
  #updates = 0

  constructor(options: ExchangeOptions, request: OfferRequest, subscriber: Subscriber<AttemptEvent>) {
    this.#options = options
    this.#request = request
    this.#subscriber = subscriber
    this.#topic = nodeTopic(options.peers.recipient(request.peerId).publicKey)
  }

  start(letters$: Observable<PunchLetter>): () => void {
    const { pool, mailroom, clock, keep } = this.#options
    const messageId = mailroom.newId()
    this.#listen(messageId)
    this.#replies.add(letters$.subscribe(letter => this.#write(letter)))
    keep(this.#request.sessionKey, { attemptId: this.#request.attemptId, repeat: () => this.#repeat(messageId), withdraw: () => this.#withdraw(), release: () => this.#release() })
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
    const { pool, clock } = this.#options
    this.#leases.push(pool.lease(brokerId))
    const limit = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(defaults.signalling.connectTimeoutMs)])
    await pool.online(brokerId, limit)
    while (!(await this.#tryPublish(brokerId, messageId))) {
      await pause(clock, relinkMs, limit)
      await pool.online(brokerId, limit)
    }
    if (this.#stop.signal.aborted) return
    this.#published.add(brokerId)
    this.#tell({ type: 'exchange.published' })
  }

  /** False when the link ended meanwhile: it was made before an outage, and the next one is about to come up. */
  async #tryPublish(brokerId: string, messageId: string): Promise<boolean> {
    const { pool, mailroom } = this.#options
    try {
      await pool.subscribe(brokerId, mailroom.inbox)
      if (!this.#stop.signal.aborted) await this.#publish(brokerId, messageId, undefined)
      return true
    } catch (error) {
      if (ThroughlineError.is(error) && error.code === 'ERR_BROKER_LOST') return false
      throw error
    }
  }

  #publish(brokerId: string, messageId: string, nonce: Uint8Array | undefined): Promise<void> {
    const { pool, mailroom, peers, clock } = this.#options
    const { peerId, sessionId, attemptId, protocol, established, strategies, punch, relay } = this.#request
    const offer = {
      type: 'offer', session: sessionId, attempt: attemptId, protocol, strategies, interfaces: this.#options.ownInterfaces(), punch: this.#options.stateWhere(strategies, punch), relay, inbox: mailroom.inbox,
      doorKey: mailroom.doorKey, machineTag: peers.ownTag, brokerRttMs: pool.rttMs(brokerId), ...(established && { established }), ...(nonce !== undefined && { nonce }),
    } as const
    this.#sentAtMs.set(`${messageId} ${brokerId}`, clock.wallNow())
    return pool.publish(brokerId, this.#topic, mailroom.seal(offer, peers.recipient(peerId), messageId).payload)
  }

  #onReply({ letter, brokerId, isCopy }: Delivery): void {
    const { message } = letter
    switch (message.type) {
      case 'ack':
        this.#heard.abort()
        return this.#tell({ type: 'exchange.acknowledged' })
      case 'answer':
        return this.#onAnswer(letter, message, brokerId)
      case 'update':
        return isCopy ? undefined : this.#onUpdate(message)
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

  /** The attempt fires when it hears of the answer: an acknowledgement sealed before would cost it time. */
  #onAnswer(letter: Letter, answer: AnswerMessage, brokerId: string): void {
    this.#heard.abort()
    this.#options.peers.learnDoorKey(this.#request.peerId, answer.doorKey)
    if (this.#answered === undefined) this.#noteAnswer(letter, answer, brokerId)
    this.#send(brokerId, { type: 'ack', of: letter.messageId })
  }

  #noteAnswer({ messageId: answerId, timeMs }: Letter, answer: AnswerMessage, brokerId: string): void {
    const { peers, clock } = this.#options
    const receivedMs = clock.wallNow()
    const sentMs = this.#sentAtMs.get(`${answer.of} ${brokerId}`)
    const peerClock = sentMs === undefined ? undefined : mutualOffset({ sentMs, peerReceivedMs: answer.receivedAtMs, peerSentMs: timeMs, receivedMs })
    // stamps that no exchange can have: as if the answer had come at once
    this.#answered = { answerId, brokerId, clockOffsetMs: peerClock?.offsetMs ?? timeMs - receivedMs }
    const endpoints = { interfaces: answer.interfaces, punch: answer.punch, relay: answer.relay, isSameMachine: peers.isSameMachine(this.#request.peerId, answer.machineTag) }
    const thinkingMs = Math.max(0, timeMs - answer.receivedAtMs)
    const roundTripMs = Math.max(0, receivedMs - (sentMs ?? receivedMs) - thinkingMs)
    this.#tell({ type: 'exchange.answered', endpoints, roundTripMs, strategies: answer.strategies, ...(peerClock !== undefined && { peerClock }) })
    if (this.#early !== undefined) this.#write(this.#early)
  }

  #onUpdate({ attempt, round, punch, relay }: UpdateMessage): void {
    if (attempt !== this.#request.attemptId || this.#updates >= defaults.punch.maxLetters) return
    this.#updates += 1
    this.#tell({ type: 'peer.updated', round, punch, relay })
  }

  /** Tells the peer by the broker of its answer. */
  #write(letter: PunchLetter): void {
    if (this.#answered === undefined) {
      if (letter.type === 'update') this.#early = letter
      return
    }
    const { answerId: of, brokerId, clockOffsetMs } = this.#answered
    const { attemptId: attempt, strategies } = this.#request
    const { round } = letter
    if (letter.type === 'update') {
      return this.#send(brokerId, { type: 'update', of, attempt, round, punch: this.#options.stateWhere(strategies, letter.records), relay: letter.relay })
    }
    this.#send(brokerId, { type: 'commit', of, attempt, round, atMs: Math.round(this.#options.clock.wallNow() + letter.inMs + clockOffsetMs) })
  }

  #send(brokerId: string, message: SignalMessage): void {
    const { pool, mailroom, peers } = this.#options
    const { payload } = mailroom.seal(message, peers.recipient(this.#request.peerId))
    pool.publish(brokerId, this.#topic, payload).catch(() => {})
  }

  #tell(event: AttemptEvent): void {
    this.#subscriber.next(event)
  }

  /** A copy: whoever has it takes no notice. */
  #repeat(messageId: string): void {
    if (this.#stop.signal.aborted || this.#heard.signal.aborted) return
    for (const brokerId of this.#published) this.#publish(brokerId, messageId, undefined).catch(() => {})
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

/** A link that ended is replaced at once or not soon. */
const relinkMs = 50

const noBroker: Failure = { code: 'ERR_NO_BROKER', message: 'no broker of the peer could be used' }
