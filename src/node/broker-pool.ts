import { Subject, type Observable } from 'rxjs'
import { createActor, type ActorRefFrom, type InspectionEvent } from 'xstate'
import { createSignallingActors } from '../../machines/signalling/signalling.actors.js'
import { defaultSignallingPolicy, signallingMachine } from '../../machines/signalling/signalling.machine.js'
import { defaults } from '../config/defaults.js'
import { ThroughlineError, toFailure, type Failure } from '../errors/index.js'
import type { Clock } from '../net/clock.js'
import { connectBroker, type BrokerLink } from '../net/mqtt-link.js'
import { ResourceTable } from '../net/resource-table.js'
import { formatBrokerUrl, parseBrokerUrl, type BrokerUrl } from '../protocol/broker-url.js'
import { rankBrokers } from '../protocol/rendezvous.js'
import { ipScope } from '../nat/ip-scope.js'
import { isIP } from 'node:net'

/** One broker in use: its actor, its current link, and who needs it. */
interface Broker {
  readonly actor: ActorRefFrom<typeof signallingMachine>
  link: BrokerLink | undefined
  failure: Failure | undefined
  hasFailed: boolean
  downSinceMs: number | undefined
  leases: number
  cancelDrop: (() => void) | undefined
  /** Subscriptions of the current link, and those the broker has granted. */
  readonly granted: Map<string, Promise<void>>
  readonly served: Set<string>
  readonly waiting: Set<() => void>
}

/** State of one broker, for `network$` and reports. */
export interface BrokerStatus {
  readonly url: string
  readonly state: string
  readonly rttMs?: number
  readonly failure?: Failure
}

/** Keeps a broker connected until it is released. */
export interface BrokerLease {
  readonly brokerId: string
  release(): void
}

/** What a pool works with. */
export interface BrokerPoolOptions {
  /** Our own list, with credentials. */
  readonly brokers: readonly BrokerUrl[]
  readonly clock: Clock
  readonly random: () => number
  readonly inspect: ((event: InspectionEvent) => void) | undefined
}

/**
 * The brokers a node is connected to: its homes, and those it needs to ask a peer. One signalling actor each, shared by
 * all who lease it; topics are subscribed again whenever a link comes up.
 */
export class BrokerPool {
  readonly #options: BrokerPoolOptions
  readonly #links = new ResourceTable<BrokerLink>('link')
  /** Bounded by our list and `foreignMax` per attempt. */
  readonly #brokers = new Map<string, Broker>()
  readonly #messages$ = new Subject<{ readonly brokerId: string; readonly payload: Uint8Array }>()
  readonly #changes$ = new Subject<void>()
  /** Our list, and what the user named with a peer. */
  readonly #own: Map<string, BrokerUrl>
  /** Topics by broker id that have to be subscribed while the link is up. */
  readonly #topics = new Map<string, Set<string>>()
  readonly #stop = new AbortController()
  readonly #machine

  /** Payloads of every link. */
  readonly messages$: Observable<{ readonly brokerId: string; readonly payload: Uint8Array }>
  /** Something about a broker changed. */
  readonly changes$: Observable<void>

  constructor(options: BrokerPoolOptions) {
    this.#options = options
    this.#own = new Map(options.brokers.map(url => [formatBrokerUrl(url), url]))
    this.messages$ = this.#messages$.asObservable()
    this.changes$ = this.#changes$.asObservable()
    const actors = createSignallingActors({
      links: this.#links, random: options.random, timeoutMs: defaults.signalling.connectTimeoutMs, connect: connectBroker,
      resolveUrl: brokerId => this.#own.get(brokerId) ?? parseBrokerUrl(brokerId),
    })
    this.#machine = signallingMachine.provide({ actors })
  }

  /** Adds a broker the user named together with a peer; returns its id. */
  know(url: BrokerUrl): string {
    const brokerId = formatBrokerUrl(url)
    this.#own.set(brokerId, url)
    return brokerId
  }

  /** Our own list in rendezvous order of a topic, as ids. */
  ranked(topic: string): readonly string[] {
    return rankBrokers([...this.#own.values()], topic).map(formatBrokerUrl)
  }

  /** Whether a broker somebody named may be dialled: one of ours, or external (protocol 4, docs/security.md). */
  isUsable(brokerId: string): boolean {
    if (this.#own.has(brokerId)) return true
    const { host } = parseBrokerUrl(brokerId)
    return isIP(host) === 0 ? !localNames.test(host) : ipScope(host) === 'external'
  }

  /** Connects a broker, or shares the connection there is. The caller releases it. */
  lease(brokerId: string): BrokerLease {
    const broker = this.#brokers.get(brokerId) ?? this.#start(brokerId)
    broker.leases += 1
    broker.cancelDrop?.()
    broker.cancelDrop = undefined
    let isHeld = true
    return {
      brokerId,
      release: () => {
        if (!isHeld) return
        isHeld = false
        broker.leases -= 1
        if (broker.leases === 0) broker.cancelDrop = this.#options.clock.after(lingerMs, () => this.#drop(brokerId, broker))
      },
    }
  }

  /** Resolves when the broker is online; rejects with its failure, when it fails first. */
  online(brokerId: string, signal: AbortSignal): Promise<BrokerLink> {
    return new Promise((resolve, reject) => {
      const broker = this.#brokers.get(brokerId)
      const settle = (outcome: BrokerLink | Error) => {
        signal.removeEventListener('abort', onAbort)
        broker?.waiting.delete(look)
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      const onAbort = () => settle(new ThroughlineError('ERR_CANCELLED', 'waiting for the broker was cancelled'))
      const look = () => {
        if (broker?.link !== undefined) return settle(broker.link)
        if (broker?.failure !== undefined && broker.actor.getSnapshot().value !== 'connecting') settle(new ThroughlineError(broker.failure.code, broker.failure.message))
      }
      if (broker === undefined || signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      broker.waiting.add(look)
      look()
    })
  }

  /** Subscribes a topic now and whenever the broker's link comes up again. Resolves when it is granted on the current link. */
  async subscribe(brokerId: string, topic: string): Promise<void> {
    const topics = this.#topics.get(brokerId) ?? new Set()
    this.#topics.set(brokerId, topics.add(topic))
    const broker = this.#brokers.get(brokerId)
    if (broker?.link !== undefined) await this.#grant(broker, broker.link, topic)
  }

  /** Once per link and topic; the broker serves when all its topics are granted. */
  #grant(broker: Broker, link: BrokerLink, topic: string): Promise<void> {
    const known = broker.granted.get(topic)
    if (known !== undefined) return known
    const granting = link.subscribe(topic, { signal: this.#stop.signal }).then(
      () => this.#onGranted(broker, link, topic),
      (error: unknown) => {
        if (broker.link === link) broker.failure = toFailure(error, 'ERR_BROKER_REFUSED')
        throw error
      },
    )
    broker.granted.set(topic, granting)
    return granting
  }

  #onGranted(broker: Broker, link: BrokerLink, topic: string): void {
    if (broker.link !== link) return
    broker.served.add(topic)
    broker.downSinceMs = undefined
    this.#changes$.next()
  }

  /** Publishes if the broker is online; resolves at its acknowledgement. */
  async publish(brokerId: string, topic: string, payload: Uint8Array): Promise<void> {
    const link = this.#brokers.get(brokerId)?.link
    if (link === undefined) throw new ThroughlineError('ERR_BROKER_LOST', `${brokerId} is not connected`)
    await link.publish(topic, payload, { signal: this.#stop.signal })
  }

  rttMs(brokerId: string): number {
    return this.#brokers.get(brokerId)?.link?.rttMs ?? 0
  }

  /** Since when a leased broker does not serve us, ms of the clock; undefined while it does. */
  downSinceMs(brokerId: string): number | undefined {
    return this.#brokers.get(brokerId)?.downSinceMs
  }

  /** True when the broker is connected and has granted every topic: what is sent to us there arrives. */
  isServing(brokerId: string): boolean {
    const broker = this.#brokers.get(brokerId)
    return broker?.link !== undefined && [...(this.#topics.get(brokerId) ?? [])].every(topic => broker.served.has(topic))
  }

  /** How many brokers are on our list. */
  get size(): number {
    return this.#own.size
  }

  /** True when the broker has had its first answer, good or bad. */
  hasAnswered(brokerId: string): boolean {
    const broker = this.#brokers.get(brokerId)
    return broker !== undefined && (broker.hasFailed || broker.failure !== undefined || this.isServing(brokerId))
  }

  get status(): readonly BrokerStatus[] {
    return [...this.#brokers].map(([url, { actor, link, failure }]) => ({
      url, state: String(actor.getSnapshot().value), ...(link !== undefined && { rttMs: link.rttMs }), ...(failure !== undefined && { failure }),
    }))
  }

  /** The network changed: every broker is tried afresh. */
  retryAll(): void {
    for (const { actor } of this.#brokers.values()) actor.send({ type: 'broker.retry' })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    for (const [brokerId, broker] of [...this.#brokers]) this.#drop(brokerId, broker)
    await this.#links.disposeAll()
    this.#messages$.complete()
    this.#changes$.complete()
  }

  #start(brokerId: string): Broker {
    const { inspect, clock } = this.#options
    const actor = createActor(this.#machine, { input: { brokerId, policy: defaultSignallingPolicy }, ...(inspect !== undefined && { inspect }) })
    const broker: Broker = {
      actor, link: undefined, failure: undefined, hasFailed: false, downSinceMs: clock.now(), leases: 0, cancelDrop: undefined, granted: new Map(), served: new Set(), waiting: new Set(),
    }
    this.#brokers.set(brokerId, broker)
    actor.subscribe({ next: ({ context }) => this.#onSnapshot(brokerId, broker, context), error: () => {} })
    actor.start()
    return broker
  }

  #onSnapshot(brokerId: string, broker: Broker, context: { readonly linkId: string | undefined; readonly lastFailure: Failure | undefined }): void {
    const link = this.#links.get(context.linkId ?? '')
    const hasChanged = link !== broker.link
    broker.failure = context.lastFailure
    if (context.lastFailure !== undefined) broker.hasFailed = true
    if (hasChanged) {
      broker.link = link
      broker.granted.clear()
      broker.served.clear()
      broker.downSinceMs ??= this.#options.clock.now()
      if (link !== undefined) this.#onLink(brokerId, broker, link)
    }
    for (const look of [...broker.waiting]) look()
    this.#changes$.next()
  }

  #onLink(brokerId: string, broker: Broker, link: BrokerLink): void {
    link.messages$.subscribe(({ payload }) => this.#messages$.next({ brokerId, payload }))
    for (const topic of this.#topics.get(brokerId) ?? []) this.#grant(broker, link, topic).catch(() => {})
  }

  #drop(brokerId: string, broker: Broker): void {
    broker.cancelDrop?.()
    this.#brokers.delete(brokerId)
    this.#topics.delete(brokerId)
    broker.actor.send({ type: 'broker.stop' })
    broker.actor.stop()
    broker.failure = { code: 'ERR_NODE_CLOSED', message: 'the broker is not used any more' }
    broker.link = undefined
    for (const look of [...broker.waiting]) look()
  }
}

/** A broker is mostly needed again at once: an offer follows a look-up, a cancellation an attempt. */
const lingerMs = 1_000

/** Names that mean this machine or its LAN; a stranger's address must not make us dial them. */
const localNames = /^localhost$|\.(local|localhost|internal|home\.arpa|lan)$|^[^.]+$/i
