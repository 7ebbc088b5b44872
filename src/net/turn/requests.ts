import { defaults } from '../../config/defaults.js'
import type { ThroughlineError } from '../../errors/index.js'
import type { EncodableAttribute } from '../../protocol/stun/attribute.js'
import { decodeMessage, transactionKey, type StunMessage } from '../../protocol/stun/message.js'
import { sendTimes } from '../../protocol/stun/retransmission.js'
import { encodeTurnRequest, judgeTurnReply, type AskedTurn, type TurnVerdict } from '../../protocol/turn/exchange.js'
import type { TurnCredentials, TurnRealm } from '../../protocol/turn/long-term.js'
import { bounded, type Settle } from '../bounded.js'
import { randomTransaction } from '../stun-binding.js'
import { countdown } from './countdown.js'
import type { TurnLink } from './link.js'
import { answerOf } from './rounds.js'
import { relayError, relayTimeout } from './turn-errors.js'
import type { TurnLimits } from './types.js'

/** What is asked of a server. */
export interface TurnQuestion {
  readonly method: number
  readonly attributes: readonly EncodableAttribute[]
  /** A 403 is about the peer then. */
  readonly isAboutPeer?: boolean
  /** Called right behind each time it is sent: what is sent there travels in the same flight. */
  readonly onSent?: (known: TurnRealm | undefined) => void
}

/** One reply, and what it means. */
export interface TurnReply {
  readonly message: StunMessage
  readonly verdict: TurnVerdict
}

interface Pending extends Settle<TurnReply> {
  readonly asked: AskedTurn
  readonly sentAtMs: number
}

/** What requests need besides a link. */
export interface RequestsOptions {
  readonly link: TurnLink
  /** For messages. */
  readonly name: string
  readonly credentials: TurnCredentials
  readonly realm: TurnRealm | undefined
  readonly maxMessageBytes: number
  /** Returns false for what nobody asked for. */
  onIndication(message: StunMessage): boolean
}

/** Asks over one link, and sorts out what comes back. What waits rejects when the link is gone. */
export class TurnRequests {
  readonly #options: RequestsOptions
  /** Bounded by who asks: each has its time-out. */
  readonly #pending = new Map<string, Pending>()
  #gone: ThroughlineError | undefined
  #unsolicited = 0
  #realm: TurnRealm | undefined
  #rttMs = 0

  constructor(options: RequestsOptions) {
    this.#options = options
    this.#realm = options.realm
  }

  /** The latest; undefined while no server has asked for one. */
  get realm(): TurnRealm | undefined {
    return this.#realm
  }

  /** Of the latest request; over UDP from the first time it was sent. */
  get rttMs(): number {
    return this.#rttMs
  }

  /** Asks until there is an answer that is no challenge. Rejects with ERR_RELAY_* or ERR_CANCELLED. */
  async ask(question: TurnQuestion, limits: TurnLimits): Promise<StunMessage> {
    const left = countdown(limits)
    for (let round = 1; ; round++) {
      const known = this.#realm
      const reply = await this.once(question, left())
      const next = answerOf(reply.verdict, { round, known, name: this.#options.name, isAboutPeer: question.isAboutPeer === true })
      if (next === 'done') return reply.message
      this.#realm = next
    }
  }

  /** Asks once; a refusal is a reply. Sends within the call. Rejects with ERR_RELAY_TIMEOUT, _BAD_REPLY, _LOST or ERR_CANCELLED. */
  once({ method, attributes, onSent }: TurnQuestion, { timeoutMs, signal }: TurnLimits): Promise<TurnReply> {
    const { link, name, credentials } = this.#options
    return bounded<TurnReply>({ signal, timeoutMs, what: `the request to ${name}`, onTimeout: () => relayTimeout(name, timeoutMs) }, settle => {
      if (this.#gone !== undefined) throw this.#gone
      const transaction = randomTransaction()
      const key = transaction.toString('hex')
      const { bytes, asked } = encodeTurnRequest(method, transaction, attributes, credentials, this.#realm)
      this.#pending.set(key, { asked, sentAtMs: performance.now(), ...settle })
      const send = () => link.send(bytes)
      const [, ...later] = link.isStream ? [] : sendTimes(timeoutMs)
      const timers = later.map(atMs => setTimeout(send, atMs))
      send()
      onSent?.(this.#realm)
      return () => {
        timers.forEach(clearTimeout)
        this.#pending.delete(key)
      }
    })
  }

  /** Takes a STUN message as it came. */
  receive(bytes: Buffer): void {
    const pending = this.#pending.get(transactionKey(bytes) ?? '')
    const isWelcome = pending === undefined ? this.#indicate(bytes) : this.#settle(pending, bytes)
    if (isWelcome) return
    this.#unsolicited += 1
    // over UDP anybody on the way can send; over TCP a server that never stops would keep us busy
    if (this.#options.link.isStream && this.#unsolicited > defaults.stun.maxUnsolicited) this.#options.link.drop('ERR_RELAY_BAD_REPLY', 'it sends what nobody asked for')
  }

  /** Ends all that waits. */
  cancel(error: ThroughlineError): void {
    for (const { reject } of [...this.#pending.values()]) reject(error)
  }

  /** Ends all that waits, and whatever would be asked. */
  stop(error: ThroughlineError): void {
    this.#gone ??= error
    this.cancel(error)
  }

  #indicate(bytes: Buffer): boolean {
    try {
      const message = decodeMessage(bytes, this.#options.maxMessageBytes)
      return message.class === 'indication' && this.#options.onIndication(message)
    } catch {
      return false
    }
  }

  /** False when the request waits on: over UDP a forged reply must not end it. */
  #settle({ asked, sentAtMs, resolve, reject }: Pending, bytes: Buffer): boolean {
    const { link, name, maxMessageBytes } = this.#options
    const message = decodeLeniently(bytes, maxMessageBytes)
    const verdict = message === undefined ? undefined : judgeTurnReply(message, asked)
    if (verdict?.outcome === 'forged' && !link.isStream) return false
    this.#rttMs = performance.now() - sentAtMs
    if (message === undefined || verdict === undefined) reject(relayError('ERR_RELAY_BAD_REPLY', name, 'its reply is malformed'))
    else resolve({ message, verdict })
    return true
  }
}

function decodeLeniently(bytes: Buffer, maxBytes: number): StunMessage | undefined {
  try {
    return decodeMessage(bytes, maxBytes)
  } catch {
    return undefined
  }
}
