import { Observable } from 'rxjs'
import type { AnswerRequest, AttemptEvent, PunchLetter } from '../../machines/attempt/attempt.types.js'
import type { ReceivedOffer } from '../../machines/connection/connection.types.js'
import { strategyOrder } from '../../machines/strategies.js'
import { defaults } from '../config/defaults.js'
import type { Failure } from '../errors/index.js'
import type { Budget } from '../net/budget.js'
import type { Clock } from '../net/clock.js'
import type { InterfaceRecord } from '../protocol/interface-record.js'
import type { LookupMessage, OfferMessage, SignalMessage } from '../protocol/signal-message.js'
import type { Delivery, Mailroom } from '../streams/mailroom/mailroom.js'
import type { Access } from './access.js'
import type { BrokerPool } from './broker-pool.js'
import type { StateWhere } from './local-endpoints.js'
import type { PeerBook } from './peer-book.js'

/** What the desk works with. */
export interface OfferDeskOptions {
  readonly pool: BrokerPool
  readonly mailroom: Mailroom
  readonly peers: PeerBook
  readonly access: Access
  readonly budget: Budget
  readonly clock: Clock
  readonly ownInterfaces: () => readonly InterfaceRecord[]
  /** Where we can be hit by a punch; without one, for a relay, where we come from. */
  readonly stateWhere: StateWhere
  /** Our signed address for a peer that looked us up; endpoints only for those who may have them. */
  readonly addressFor: (withEndpoints: boolean) => Uint8Array
  /** `leave` gives the place in the attempts' budget back when the attempt is over. */
  readonly onOffer: (peerId: string, offer: OfferMessage, received: ReceivedOffer, leave: () => void) => void
  /** Whether a pipe is here that a peer's offer goes on with. */
  readonly hasPipe: (peerId: string, session: string) => boolean
  readonly onCancel: (peerId: string, session: string) => void
}

/** An offer whose answer is owed, and the brokers its copies came by. */
interface OpenOffer {
  readonly peerId: string
  readonly message: OfferMessage
  readonly brokerIds: string[]
  readonly receivedAtMs: number
}

/** The responder's side of signalling: acknowledges, hands over and answers offers; answers look-ups. */
export class OfferDesk {
  readonly #options: OfferDeskOptions
  /** By message id; at most `maxOpenOffers`, the eldest is forgotten. */
  readonly #offers = new Map<string, OpenOffer>()

  constructor(options: OfferDeskOptions) {
    this.#options = options
  }

  /** Takes in a letter of the mailroom. */
  take(delivery: Delivery): void {
    const { message, senderId } = delivery.letter
    if (message.type === 'cancel') return this.#options.onCancel(senderId, message.session)
    if (message.type === 'offer') return this.#takeOffer(delivery, message)
    if (message.type === 'lookup') return this.#takeLookup(delivery, message)
  }

  /** Sends our answer on the broker of the first copy, and on the others when nobody acknowledges it; then what `letters$` says. Tells when it left, and what the peer says to it. */
  answer$({ offerId, strategies, punch, relay }: AnswerRequest, letters$: Observable<PunchLetter>): Observable<AttemptEvent> {
    return new Observable(subscriber => {
      const offer = this.#offers.get(offerId)
      if (offer === undefined) return undefined
      const { mailroom, peers, clock, ownInterfaces, stateWhere } = this.#options
      const { session, attempt } = offer.message
      const [firstBroker = ''] = offer.brokerIds
      const answerId = mailroom.newId()
      const send = (brokerId: string) =>
        this.#send(brokerId, offer, {
          type: 'answer', session, attempt, strategies, interfaces: ownInterfaces(), punch: stateWhere(strategies, punch), relay, doorKey: mailroom.doorKey, machineTag: peers.ownTag,
          brokerRttMs: this.#options.pool.rttMs(brokerId), receivedAtMs: offer.receivedAtMs, of: offerId,
        }, answerId)
      const cancel = clock.after(defaults.signalling.answerElsewhereMs, () => offer.brokerIds.slice(1).forEach(send))
      let heard = 0
      const subscription = mailroom.replies$(answerId, offer.peerId).subscribe(({ letter: { message }, isCopy }) => {
        cancel()
        const event = isCopy || heard >= defaults.punch.maxLetters ? undefined : this.#eventOf(message, attempt)
        if (event === undefined) return
        heard += 1
        subscriber.next(event)
      })
      subscription.add(cancel)
      subscription.add(letters$.subscribe(letter => {
        if (letter.type !== 'update') return
        this.#send(firstBroker, offer, { type: 'update', of: offerId, attempt, round: letter.round, punch: stateWhere(strategies, letter.records), relay: letter.relay })
      }))
      send(firstBroker)
      subscriber.next({ type: 'answer.sent', alignMs: this.#alignMs(firstBroker, offer) })
      return subscription
    })
  }

  /** Half a round trip by each broker link: our answer is there by then, as far as both have measured. */
  #alignMs(brokerId: string, { message }: OpenOffer): number {
    return Math.min((this.#options.pool.rttMs(brokerId) + message.brokerRttMs) / 2, defaults.punch.maxCommitMs)
  }

  /** What a reply to our answer tells the attempt; a moment too far ahead tells nothing. */
  #eventOf(message: SignalMessage, attempt: string): AttemptEvent | undefined {
    if ((message.type !== 'update' && message.type !== 'commit') || message.attempt !== attempt) return undefined
    const { round } = message
    if (message.type === 'update') return { type: 'peer.updated', round, punch: message.punch, relay: message.relay }
    const inMs = Math.max(0, message.atMs - this.#options.clock.wallNow())
    return inMs > defaults.punch.maxCommitMs ? undefined : { type: 'peer.committed', round, inMs }
  }

  /** Tells the sender of an offer that it may not. */
  refuse(offerId: string, { code }: Failure): void {
    const offer = this.#offers.get(offerId)
    for (const brokerId of offer?.brokerIds ?? []) this.#send(brokerId, offer!, { type: 'refuse', attempt: offer!.message.attempt, of: offerId, code })
  }

  /** Asks the sender of an offer for another path to the pipe it led to. */
  wantPath(offerId: string): void {
    const offer = this.#offers.get(offerId)
    for (const brokerId of offer?.brokerIds ?? []) this.#send(brokerId, offer!, { type: 'wantPath', session: offer!.message.session })
  }

  #takeOffer({ letter, brokerId, isCopy }: Delivery, message: OfferMessage): void {
    const { access, budget, clock, peers } = this.#options
    const { senderId, messageId } = letter
    const known = this.#offers.get(messageId)
    if (isCopy) {
      // a broker that repeats itself gets one acknowledgement
      if (known === undefined || known.brokerIds.includes(brokerId)) return
      known.brokerIds.push(brokerId)
      return this.#send(brokerId, known, { type: 'ack', of: messageId })
    }
    const isDenied = access.denies(senderId)
    if (isDenied && !letter.tagged) return
    const goesOn = message.established === true && this.#options.hasPipe(senderId, message.session)
    // whose pipe was accepted is not counted again for a path to it
    if (!goesOn && !access.isKnown(senderId) && !budget.takeStrangerOffer()) return
    const offer: OpenOffer = { peerId: senderId, message, brokerIds: [brokerId], receivedAtMs: clock.wallNow() }
    this.#remember(messageId, offer)
    peers.learnDoorKey(senderId, message.doorKey)
    const acknowledge = () => this.#send(brokerId, offer, { type: 'ack', of: messageId })
    const refuse = (failure: Failure) => {
      acknowledge()
      this.refuse(messageId, failure)
    }
    if (isDenied) return refuse({ code: 'ERR_REFUSED', message: 'not on the allow list' })
    if (message.established === true && !goesOn) return refuse({ code: 'ERR_SESSION_UNKNOWN', message: 'this node does not know the pipe' })
    const leave = budget.enterAttempt(access.isKnown(senderId) ? 'known' : 'stranger')
    if (leave === undefined) return refuse({ code: 'ERR_BUSY', message: 'too many attempts at once' })
    // our answer, if it leaves in this turn, is waited for; sealing takes a millisecond
    queueMicrotask(acknowledge)
    this.#options.onOffer(senderId, message, {
      offerId: messageId,
      attemptId: message.attempt,
      strategies: strategyOrder.filter(strategy => message.strategies.includes(strategy)),
      target: {
        peerId: senderId, brokers: [],
        endpoints: { interfaces: message.interfaces, punch: message.punch, relay: message.relay, isSameMachine: peers.isSameMachine(senderId, message.machineTag) },
      },
    }, leave)
  }

  #takeLookup({ letter, brokerId }: Delivery, { inbox, doorKey }: LookupMessage): void {
    const { access, budget, mailroom, addressFor, pool } = this.#options
    const { senderId, senderKey, messageId } = letter
    if (access.denies(senderId)) return
    if (!access.isKnown(senderId) && !budget.takeStrangerLookup()) return
    const address = addressFor(!access.needsAsking(senderId))
    const { payload } = mailroom.seal({ type: 'ack', of: messageId, address }, { publicKey: senderKey, doorKey })
    pool.publish(brokerId, inbox, payload).catch(() => {})
  }

  #remember(messageId: string, offer: OpenOffer): void {
    this.#offers.set(messageId, offer)
    const [eldest] = this.#offers.keys()
    if (this.#offers.size > maxOpenOffers && eldest !== undefined) this.#offers.delete(eldest)
  }

  #send(brokerId: string, { peerId, message }: OpenOffer, reply: SignalMessage, messageId?: string): void {
    const { pool, mailroom, peers } = this.#options
    const recipient = { ...peers.recipient(peerId), doorKey: message.doorKey }
    pool.publish(brokerId, message.inbox, mailroom.seal(reply, recipient, messageId).payload).catch(() => {})
  }
}

const maxOpenOffers = 1_024
