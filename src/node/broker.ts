import type { ActorRefFrom } from 'xstate'
import type { signallingMachine } from '../../machines/signalling/signalling.machine.js'
import { defaults } from '../config/defaults.js'
import { ThroughlineError, toFailure, type Failure } from '../errors/index.js'
import type { BrokerLink } from '../net/mqtt-link.js'

/** State of one broker, for `network$` and reports. */
export interface BrokerStatus {
  /** Without credentials. */
  readonly url: string
  readonly state: string
  readonly rttMs?: number
  readonly failure?: Failure
}

/** What a broker works with. */
export interface BrokerOptions {
  /** Its URL without credentials. */
  readonly id: string
  /** Not started yet; `Broker` starts and stops it. */
  readonly actor: ActorRefFrom<typeof signallingMachine>
  readonly linkOf: (linkId: string | undefined) => BrokerLink | undefined
  /** Monotonic ms. */
  readonly now: () => number
  /** Ends subscribing and publishing. */
  readonly signal: AbortSignal
  readonly onMessage: (payload: Uint8Array) => void
  /** It serves us, for the first time or again. */
  readonly onServing: () => void
  /** Anything about it changed. */
  readonly onChange: () => void
}

/** One broker in use: its actor, its current link, and what has to be subscribed there. Owned by the pool. */
export class Broker {
  readonly #options: BrokerOptions
  /** Topics to be subscribed whenever a link comes up: ours and our inbox. */
  readonly #topics = new Set<string>()
  /** Subscriptions of the current link, by topic, and those the broker has granted. */
  readonly #granting = new Map<string, Promise<void>>()
  readonly #granted = new Set<string>()
  /** Those who wait for `online`; bounded by the exchanges and look-ups that run. */
  readonly #waiting = new Set<() => void>()
  #link: BrokerLink | undefined
  #failure: Failure | undefined
  #hasFailed = false
  #downSinceMs: number | undefined
  #connectingSinceMs = 0
  #state: unknown
  /** Of the latest link; 0 while there was none. */
  #lastRttMs = 0
  /** A ping of `lookAfter` waits for its answer. */
  #isAsked = false

  constructor(options: BrokerOptions) {
    this.#options = options
    this.#downSinceMs = options.now()
  }

  /** Begins to connect; `onChange` may be called before it returns. */
  start(): void {
    const { actor } = this.#options
    actor.subscribe({ next: ({ context }) => this.#onSnapshot(context.linkId, context.lastFailure), error: () => {} })
    actor.start()
  }

  /** Ends it for good; who waits gets ERR_NODE_CLOSED. The link is closed by the actor. */
  stop(): void {
    const { actor } = this.#options
    actor.send({ type: 'broker.stop' })
    actor.stop()
    this.#failure = { code: 'ERR_NODE_CLOSED', message: 'the broker is not used any more' }
    this.#link = undefined
    this.#tellWaiting()
  }

  /** The network changed: what is up is made anew, what waits tries at once. */
  retry(): void {
    this.#connectingSinceMs = this.#options.now()
    this.#options.actor.send({ type: 'broker.retry' })
  }

  /** Asks for a sign of life, and has `limitMs` to give one, or some round trips; a connect that takes as long is made anew, and no wait is longer. */
  lookAfter(limitMs: number): void {
    const { actor, now, signal } = this.#options
    const link = this.#link
    const timeoutMs = Math.max(limitMs, defaults.recovery.brokerRtts * this.#lastRttMs)
    if (link !== undefined) return this.#isAsked ? undefined : void this.#ask(link, signal, timeoutMs)
    // how far a broker is that was never reached nobody knows
    if (this.#isConnecting && this.#lastRttMs > 0 && now() - this.#connectingSinceMs >= timeoutMs) return this.retry()
    actor.send({ type: 'broker.hurry', capMs: limitMs })
  }

  async #ask(link: BrokerLink, signal: AbortSignal, timeoutMs: number): Promise<void> {
    this.#isAsked = true
    try {
      this.#lastRttMs = await link.ping({ signal, timeoutMs })
    } catch {
      if (this.#link === link && !signal.aborted) this.retry()
    } finally {
      this.#isAsked = false
    }
  }

  get status(): BrokerStatus {
    const { id, actor } = this.#options
    return {
      url: id, state: String(actor.getSnapshot().value),
      ...(this.#link !== undefined && { rttMs: this.#link.rttMs }), ...(this.#failure !== undefined && { failure: this.#failure }),
    }
  }

  get rttMs(): number {
    return this.#link?.rttMs ?? 0
  }

  /** Since when it does not serve us, monotonic ms; undefined while it does. */
  get downSinceMs(): number | undefined {
    return this.#downSinceMs
  }

  /** True when it is connected and has granted every topic: what is sent to us there arrives. */
  get isServing(): boolean {
    return this.#link !== undefined && [...this.#topics].every(topic => this.#granted.has(topic))
  }

  /** True when it has had its first answer, good or bad. */
  get hasAnswered(): boolean {
    return this.#hasFailed || this.isServing
  }

  /** Resolves when there is a link. Rejects with the broker's failure when it fails first, with ERR_BROKER_TIMEOUT when the signal is a time limit, or with ERR_CANCELLED. */
  online(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (conclude: () => void) => {
        signal.removeEventListener('abort', onAbort)
        this.#waiting.delete(look)
        conclude()
      }
      const onAbort = () => settle(() => reject(endOfWaiting(signal)))
      const look = () => {
        if (this.#link !== undefined) return settle(resolve)
        const failure = this.#failure
        if (failure !== undefined && !this.#isConnecting) settle(() => reject(new ThroughlineError(failure.code, failure.message)))
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      this.#waiting.add(look)
      look()
    })
  }

  /** Subscribes a topic now and whenever the link comes up again. Resolves when it is granted on the current link, or there is none. */
  async subscribe(topic: string): Promise<void> {
    this.#topics.add(topic)
    if (this.#link !== undefined) await this.#grant(this.#link, topic)
  }

  /** Resolves at the broker's acknowledgement. */
  async publish(topic: string, payload: Uint8Array): Promise<void> {
    if (this.#link === undefined) throw new ThroughlineError('ERR_BROKER_LOST', `${this.#options.id} is not connected`)
    await this.#link.publish(topic, payload, { signal: this.#options.signal })
  }

  get #isConnecting(): boolean {
    return this.#options.actor.getSnapshot().value === 'connecting'
  }

  /** Once per link and topic. */
  #grant(link: BrokerLink, topic: string): Promise<void> {
    const known = this.#granting.get(topic)
    if (known !== undefined) return known
    const granting = link.subscribe(topic, { signal: this.#options.signal }).then(
      () => this.#onGranted(link, topic),
      (error: unknown) => this.#onDenied(link, error),
    )
    this.#granting.set(topic, granting)
    return granting
  }

  #onGranted(link: BrokerLink, topic: string): void {
    if (this.#link !== link) return
    this.#granted.add(topic)
    if (this.isServing && this.#downSinceMs !== undefined) {
      this.#downSinceMs = undefined
      this.#options.onServing()
    }
    this.#options.onChange()
  }

  /** A broker that will not let us listen is as good as none: its home is given to another. */
  #onDenied(link: BrokerLink, error: unknown): never {
    if (this.#link === link) {
      this.#failure = toFailure(error, 'ERR_BROKER_REFUSED')
      this.#hasFailed = true
      this.#options.onChange()
    }
    throw error
  }

  #onSnapshot(linkId: string | undefined, lastFailure: Failure | undefined): void {
    if (this.#state !== 'connecting' && this.#isConnecting) this.#connectingSinceMs = this.#options.now()
    this.#state = this.#options.actor.getSnapshot().value
    const link = this.#options.linkOf(linkId)
    if (link !== this.#link) this.#onLink(link)
    this.#failure = lastFailure
    if (lastFailure !== undefined) this.#hasFailed = true
    this.#tellWaiting()
    this.#options.onChange()
  }

  #onLink(link: BrokerLink | undefined): void {
    this.#link = link
    this.#granting.clear()
    this.#granted.clear()
    this.#downSinceMs ??= this.#options.now()
    if (link === undefined) return
    this.#lastRttMs = link.rttMs
    link.messages$.subscribe(({ payload }) => this.#options.onMessage(payload))
    for (const topic of this.#topics) this.#grant(link, topic).catch(() => {})
  }

  #tellWaiting(): void {
    for (const look of [...this.#waiting]) look()
  }
}

/** Our own limit and the broker's are of the same length: whichever comes first, the broker was too slow. */
function endOfWaiting({ reason }: AbortSignal): ThroughlineError {
  const isLimit = reason instanceof Error && reason.name === 'TimeoutError'
  return isLimit
    ? new ThroughlineError('ERR_BROKER_TIMEOUT', 'the broker did not answer in time')
    : new ThroughlineError('ERR_CANCELLED', 'waiting for the broker was cancelled', { cause: reason })
}
