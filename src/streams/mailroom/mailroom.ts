import type { KeyObject } from 'node:crypto'
import { Observable, Subject, type Subscriber } from 'rxjs'
import { defaults } from '../../config/defaults.js'
import type { Clock } from '../../net/clock.js'
import { isTagged, openEnvelope, sealEnvelope, tagIsValid, type Letter } from '../../protocol/envelope.js'
import type { Identity } from '../../protocol/identity.js'
import type { LookupMessage, OfferMessage, SignalMessage } from '../../protocol/signal-message.js'
import { inboxTopic, nodeTopic } from '../../protocol/topic.js'
import { Freshness } from './freshness.js'
import { RateLimit, SeenLetters } from './seen-letters.js'

/** A letter and the broker it came by. */
export interface Delivery {
  readonly letter: Letter
  readonly brokerId: string
  /** Another copy of a letter that was delivered before; only offers and look-ups come twice. */
  readonly isCopy: boolean
}

/** A sealed message, ready to be published. */
export interface Sealed {
  readonly messageId: string
  readonly payload: Uint8Array
}

/** What a mailroom works with. */
export interface MailroomOptions {
  readonly identity: Identity
  readonly clock: Clock
  /** Unpredictable bytes. */
  readonly random: (bytes: number) => Uint8Array
  /** A fresh X25519 private key. */
  readonly newKey: () => KeyObject
  /** Fire and forget: what cannot be published is lost, as letters may be. */
  readonly publish: (brokerId: string, topic: string, payload: Uint8Array) => void
}

/** Where letters are opened, checked and sorted (protocol 4.2), and outgoing ones sealed. Never throws on what comes in. */
export class Mailroom {
  /** Topic of this node. */
  readonly topic: string
  /** Where answers to this process go. */
  readonly inbox: string
  /** Offers, look-ups, cancellations and wishes for a path that passed every check. */
  readonly letters$: Observable<Delivery>

  readonly #options: MailroomOptions
  readonly #letters$ = new Subject<Delivery>()
  readonly #seen = new SeenLetters()
  readonly #untagged = new RateLimit(defaults.signalling.untaggedPerSecond)
  readonly #freshness: Freshness
  /** Who waits for replies, by the id of the message they reply to; bounded by the attempts that run. */
  readonly #waiting = new Map<string, { readonly senderId: string; readonly subscriber: Subscriber<Delivery> }>()

  constructor(options: MailroomOptions) {
    this.#options = options
    this.topic = nodeTopic(options.identity.publicKey)
    this.inbox = inboxTopic(options.random(20))
    this.letters$ = this.#letters$.asObservable()
    this.#freshness = new Freshness(options.random(32), options.clock.wallNow())
  }

  /** What we state in offers, so that letters to us are tagged. */
  get doorKey(): Uint8Array {
    return this.#options.identity.doorKey
  }

  /** A fresh message id. */
  newId(): string {
    return Buffer.from(this.#options.random(16)).toString('hex')
  }

  /** Seals a message; with the recipient's door key it is tagged and goes first there. */
  seal(message: SignalMessage, recipient: { readonly publicKey: Uint8Array; readonly doorKey: Uint8Array | undefined }, messageId = this.newId()): Sealed {
    const { identity, clock, newKey } = this.#options
    const payload = sealEnvelope({
      message, sender: identity, recipient: recipient.publicKey, messageId, timeMs: clock.wallNow(), ephemeralKey: newKey(),
      ...(recipient.doorKey !== undefined && { doorKey: recipient.doorKey }),
    })
    return { messageId, payload }
  }

  /** Replies of one sender to one message of ours, as long as it is subscribed. */
  replies$(messageId: string, senderId: string): Observable<Delivery> {
    return new Observable(subscriber => {
      const waiter = { senderId, subscriber }
      this.#waiting.set(messageId, waiter)
      return () => {
        if (this.#waiting.get(messageId) === waiter) this.#waiting.delete(messageId)
      }
    })
  }

  /** Takes in whatever a broker delivered. */
  receive(payload: Uint8Array, brokerId: string): void {
    const letter = this.#open(payload)
    if (letter === undefined) return
    const isCopy = this.#seen.isRepeat(letter.senderId, letter.messageId, this.#options.clock.now())
    const { message } = letter
    switch (message.type) {
      case 'offer':
      case 'lookup':
        if (!isCopy && !this.#isFresh(letter, message)) {
          // forgotten, so that a copy by another broker is challenged there too
          this.#seen.forget(letter.senderId, letter.messageId)
          return this.#challenge(letter, message, brokerId)
        }
        return this.#letters$.next({ letter, brokerId, isCopy })
      case 'cancel':
      case 'wantPath':
        return isCopy ? undefined : this.#letters$.next({ letter, brokerId, isCopy })
      default: {
        const waiting = this.#waiting.get(message.of)
        if (waiting?.senderId === letter.senderId) waiting.subscriber.next({ letter, brokerId, isCopy })
      }
    }
  }

  #open(payload: Uint8Array): Letter | undefined {
    const { identity, clock } = this.#options
    if (payload.length > defaults.signalling.maxEnvelopeBytes) return undefined
    if (isTagged(payload) ? !tagIsValid(payload, identity.doorKey) : !this.#untagged.take(clock.now())) return undefined
    return openEnvelope(payload, identity)
  }

  #isFresh(letter: Letter, { nonce }: OfferMessage | LookupMessage): boolean {
    return this.#freshness.isFresh(letter, nonce, this.#options.clock.wallNow())
  }

  #challenge(letter: Letter, { inbox, doorKey }: OfferMessage | LookupMessage, brokerId: string): void {
    const nonce = this.#freshness.nonceFor(letter.senderId, this.#options.clock.wallNow())
    const { payload } = this.seal({ type: 'challenge', of: letter.messageId, nonce }, { publicKey: letter.senderKey, doorKey })
    this.#options.publish(brokerId, inbox, payload)
  }
}
