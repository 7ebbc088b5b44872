import { setMaxListeners } from 'node:events'
import { isIP } from 'node:net'
import { Subject, type Observable } from 'rxjs'
import { createActor, type InspectionEvent } from 'xstate'
import { createSignallingActors } from '../../machines/signalling/signalling.actors.js'
import { defaultSignallingPolicy, signallingMachine } from '../../machines/signalling/signalling.machine.js'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { ipScope } from '../nat/ip-scope.js'
import { every, type Clock } from '../net/clock.js'
import { connectBroker, type BrokerLink } from '../net/mqtt-link.js'
import { ResourceTable } from '../net/resource-table.js'
import { formatBrokerUrl, parseBrokerUrl, type BrokerUrl } from '../protocol/broker-url.js'
import { rankBrokers } from '../protocol/rendezvous.js'
import { Broker, type BrokerStatus } from './broker.js'

/** Keeps a broker connected until it is released. */
export interface BrokerLease {
  readonly brokerId: string
  /** Idempotent. */
  release(): void
}

/** A payload, and the broker it came by. */
export interface BrokerPayload {
  readonly brokerId: string
  readonly payload: Uint8Array
}

/** What a pool works with. */
export interface BrokerPoolOptions {
  /** Our own list, with credentials. */
  readonly brokers: readonly BrokerUrl[]
  readonly clock: Clock
  readonly random: () => number
  readonly inspect: ((event: InspectionEvent) => void) | undefined
}

interface Leased {
  readonly broker: Broker
  leases: number
  /** Set while nobody leases it and it lingers. */
  cancelDrop: (() => void) | undefined
}

/**
 * The brokers a node is connected to: its homes, and those it needs to ask a peer. One signalling actor each, shared by
 * all who lease it; topics are subscribed again whenever a link comes up. A broker's id is its URL without credentials.
 */
export class BrokerPool {
  readonly #options: BrokerPoolOptions
  readonly #links = new ResourceTable<BrokerLink>('link')
  /** Bounded by our list and `foreignMax` per attempt. */
  readonly #leased = new Map<string, Leased>()
  readonly #messages$ = new Subject<BrokerPayload>()
  readonly #changes$ = new Subject<void>()
  readonly #served$ = new Subject<void>()
  readonly #own: ReadonlyMap<string, BrokerUrl>
  /** What the user named with a peer (`ID@broker-url`); at most `maxNamed`, the eldest is forgotten. */
  readonly #named = new Map<string, BrokerUrl>()
  readonly #stop = new AbortController()
  readonly #machine
  /** So many want the brokers looked after. */
  #quickened = 0
  #stopQuickening: (() => void) | undefined

  /** Payloads of every link. */
  readonly messages$: Observable<BrokerPayload>
  /** Something about a broker changed. */
  readonly changes$: Observable<void>
  /** A broker serves us, for the first time or again: what was sent there before may be lost. */
  readonly served$: Observable<void>

  constructor(options: BrokerPoolOptions) {
    this.#options = options
    this.#own = new Map(options.brokers.map(url => [formatBrokerUrl(url), url]))
    this.messages$ = this.#messages$.asObservable()
    this.changes$ = this.#changes$.asObservable()
    this.served$ = this.#served$.asObservable()
    const actors = createSignallingActors({
      links: this.#links, random: options.random, timeoutMs: defaults.signalling.connectTimeoutMs, connect: connectBroker,
      resolveUrl: brokerId => this.#named.get(brokerId) ?? this.#own.get(brokerId) ?? parseBrokerUrl(brokerId),
    })
    this.#machine = signallingMachine.provide({ actors })
    // every message under way listens
    setMaxListeners(0, this.#stop.signal)
  }

  /** Adds a broker the user named together with a peer; returns its id. Credentials of our list stay in force unless others are given. */
  know(url: BrokerUrl): string {
    const brokerId = formatBrokerUrl(url)
    if (url.username === undefined && this.#own.has(brokerId)) return brokerId
    this.#named.delete(brokerId)
    this.#named.set(brokerId, url)
    const [eldest] = this.#named.keys()
    if (this.#named.size > maxNamed && eldest !== undefined) this.#named.delete(eldest)
    return brokerId
  }

  /** Our own list in rendezvous order of a topic, as ids. */
  ranked(topic: string): readonly string[] {
    return rankBrokers([...this.#own.values()], topic).map(formatBrokerUrl)
  }

  /** Whether a broker somebody named may be dialled: one of ours, or external (protocol 4, docs/security.md). */
  isUsable(brokerId: string): boolean {
    if (this.#own.has(brokerId) || this.#named.has(brokerId)) return true
    const { host } = parseBrokerUrl(brokerId)
    return isIP(host) === 0 ? !localNames.test(host) : ipScope(host) === 'external'
  }

  /** Connects a broker, or shares the connection there is. The caller releases it. Throws ERR_NODE_CLOSED after `close`. */
  lease(brokerId: string): BrokerLease {
    if (this.#stop.signal.aborted) throw new ThroughlineError('ERR_NODE_CLOSED', 'the node is closed')
    const leased = this.#leased.get(brokerId) ?? this.#start(brokerId)
    leased.leases += 1
    leased.cancelDrop?.()
    leased.cancelDrop = undefined
    let isHeld = true
    return {
      brokerId,
      release: () => {
        if (!isHeld) return
        isHeld = false
        leased.leases -= 1
        if (leased.leases === 0 && !this.#stop.signal.aborted) leased.cancelDrop = this.#options.clock.after(lingerMs, () => this.#drop(brokerId))
      },
    }
  }

  /** Resolves when the broker is online; rejects with its failure, when it fails first, or ERR_CANCELLED. */
  async online(brokerId: string, signal: AbortSignal): Promise<void> {
    await this.#get(brokerId).online(signal)
  }

  /** Subscribes a topic now and whenever the broker's link comes up again. Resolves when it is granted on the current link. */
  async subscribe(brokerId: string, topic: string): Promise<void> {
    await this.#get(brokerId).subscribe(topic)
  }

  /** Publishes if the broker is online; resolves at its acknowledgement. Rejects with ERR_BROKER_*. */
  async publish(brokerId: string, topic: string, payload: Uint8Array): Promise<void> {
    await this.#get(brokerId).publish(topic, payload)
  }

  /** The latest round trip, ms; 0 while it is not known. */
  rttMs(brokerId: string): number {
    return this.#leased.get(brokerId)?.broker.rttMs ?? 0
  }

  /** Since when a leased broker does not serve us, ms of the clock; undefined while it does. */
  downSinceMs(brokerId: string): number | undefined {
    return this.#leased.get(brokerId)?.broker.downSinceMs
  }

  /** True when the broker is connected and has granted every topic: what is sent to us there arrives. */
  isServing(brokerId: string): boolean {
    return this.#leased.get(brokerId)?.broker.isServing === true
  }

  /** True when the broker has had its first answer, good or bad. */
  hasAnswered(brokerId: string): boolean {
    return this.#leased.get(brokerId)?.broker.hasAnswered === true
  }

  /** How many brokers are on our list. */
  get size(): number {
    return this.#own.size
  }

  get status(): readonly BrokerStatus[] {
    return [...this.#leased.values()].map(({ broker }) => broker.status)
  }

  /** A pipe stands still and may need signalling: looks after every broker closely, until what it returns is called. */
  quicken(): () => void {
    this.#quickened += 1
    this.#stopQuickening ??= every(this.#options.clock, brokerEveryMs, () => {
      for (const { broker } of this.#leased.values()) broker.lookAfter(brokerEveryMs)
    })
    let isHeld = true
    return () => {
      if (isHeld) this.#quickened -= 1
      isHeld = false
      if (this.#quickened === 0) this.#endQuickening()
    }
  }

  /** The network changed: every broker is tried afresh. */
  retryAll(): void {
    for (const { broker } of this.#leased.values()) broker.retry()
  }

  /** Ends every link; resolves when they are closed. Never rejects. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#endQuickening()
    for (const brokerId of [...this.#leased.keys()]) this.#drop(brokerId)
    await this.#links.disposeAll()
    this.#messages$.complete()
    this.#changes$.complete()
    this.#served$.complete()
  }

  #endQuickening(): void {
    this.#stopQuickening?.()
    this.#stopQuickening = undefined
  }

  #get(brokerId: string): Broker {
    const leased = this.#leased.get(brokerId)
    if (leased === undefined) throw new ThroughlineError('ERR_BROKER_LOST', `${brokerId} is not connected`)
    return leased.broker
  }

  #start(brokerId: string): Leased {
    const { inspect, clock } = this.#options
    const broker = new Broker({
      id: brokerId,
      actor: createActor(this.#machine, { input: { brokerId, policy: defaultSignallingPolicy }, ...(inspect !== undefined && { inspect }) }),
      linkOf: linkId => this.#links.get(linkId ?? ''),
      now: () => clock.now(),
      signal: this.#stop.signal,
      onMessage: payload => this.#messages$.next({ brokerId, payload }),
      onServing: () => this.#served$.next(),
      onChange: () => this.#changes$.next(),
    })
    const leased: Leased = { broker, leases: 0, cancelDrop: undefined }
    this.#leased.set(brokerId, leased)
    broker.start()
    return leased
  }

  #drop(brokerId: string): void {
    const leased = this.#leased.get(brokerId)
    if (leased === undefined) return
    leased.cancelDrop?.()
    this.#leased.delete(brokerId)
    leased.broker.stop()
  }
}

const { brokerEveryMs } = defaults.recovery

/** A broker is mostly needed again at once: an offer follows a look-up, a cancellation an attempt. */
const lingerMs = 1_000

/** Brokers named with peers that are remembered with their credentials. */
const maxNamed = 64

/** Names that mean this machine or its LAN; a stranger's address must not make us dial them. */
const localNames = /^localhost$|\.(local|localhost|internal|home\.arpa|lan)$|^[^.]+$/i
