import { randomBytes } from 'node:crypto'
import { distinctUntilChanged, map, merge, Observable, startWith, Subject } from 'rxjs'
import type { PeerTarget } from '../../machines/attempt/attempt.types.js'
import type { ConnectionPolicy } from '../../machines/shared/policy.types.js'
import { defaults } from '../config/defaults.js'
import { publicServers } from '../config/public-servers.js'
import { ThroughlineError } from '../errors/index.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import { ipScope, isInPrefix } from '../nat/ip-scope.js'
import { Budget } from '../net/budget.js'
import type { Channel } from '../net/channel.js'
import { every, systemClock, type Clock } from '../net/clock.js'
import { takeInboundLock, type InboundLock } from '../net/inbound-lock.js'
import { isOfThisMachine, ownAddresses } from '../net/interfaces.js'
import { listen, type Listener } from '../net/listener.js'
import { machineSecret } from '../net/machine-secret.js'
import { ResourceTable } from '../net/resource-table.js'
import { Securer } from '../net/secure.js'
import { newSealingKey } from '../net/sealing-key.js'
import { allocateTcp } from '../net/turn/allocate-tcp.js'
import { encodeAddressBytes } from '../protocol/address.js'
import { encodeBase32 } from '../protocol/base32.js'
import type { BrokerUrl } from '../protocol/broker-url.js'
import { parseEndpoint } from '../protocol/endpoint.js'
import type { InterfaceRecord } from '../protocol/interface-record.js'
import type { Identity } from '../protocol/identity.js'
import type { TurnUrl } from '../protocol/turn-url.js'
import { Mailroom } from '../streams/mailroom/mailroom.js'
import { WindowPool } from '../streams/session/window-pool.js'
import { Access } from './access.js'
import { BrokerPool } from './broker-pool.js'
import { Dialler } from './dialler.js'
import { Homes } from './homes.js'
import { InboundSockets } from './inbound-sockets.js'
import { interfaceRecords, punchPlaces, stateExternals, type StateWhere } from './local-endpoints.js'
import { NetworkWatch } from './network-watch.js'
import { exchangeOffer$, type ExchangeOptions } from './offer-exchange.js'
import { OfferDesk } from './offer-desk.js'
import { Openings, type OpeningsOptions } from './openings.js'
import { PathMemory } from './path-memory.js'
import { PeerBook } from './peer-book.js'
import { PunchPorts } from './punch-ports.js'
import { provideConnectionMachine } from './provide-machines.js'
import { RelayServers } from './relay-servers.js'
import { Relays } from './relays.js'
import { Resolver } from './resolver.js'
import type { Handler } from './handlers.js'
import { SessionRegistry } from './session-registry.js'
import { StunServers } from './stun-servers.js'
import { TimeKeeper } from './time-keeper.js'
import type { NodeOptions } from './types.js'

/** What a node is made of. */
export interface NodeCoreOptions {
  readonly identity: Identity
  /** Where what worked is kept; undefined: only in memory. */
  readonly pathsFile: string | undefined
  readonly brokers: readonly BrokerUrl[]
  readonly turn: readonly TurnUrl[]
  readonly options: NodeOptions
  readonly handler: (protocol: string) => Handler | undefined
}

/** The parts of a node, composed. Decisions are in the machines; this only wires them to sockets and streams. */
export class NodeCore {
  readonly clock: Clock = systemClock()
  readonly identity: Identity
  readonly budget: Budget
  readonly access: Access
  readonly pool: BrokerPool
  readonly homes: Homes
  readonly registry: SessionRegistry
  readonly time: TimeKeeper
  readonly network: NetworkWatch
  readonly relayServers: RelayServers
  readonly windows = new WindowPool(defaults.session.windowPool)
  /** Our address changed, or something `network$` shows. */
  readonly changes$ = new Subject<void>()

  readonly #options: NodeOptions
  readonly #channels = new ResourceTable<Channel>('channel')
  readonly #mailroom: Mailroom
  readonly #peers: PeerBook
  readonly #paths: PathMemory
  readonly #inbound: InboundSockets
  readonly #resolver: Resolver
  readonly #stunServers: StunServers
  readonly #relays: Relays
  #own: readonly OwnAddress[]
  #listener: Listener | undefined
  #lock: InboundLock | undefined
  #sequence = 0
  #stopPolling: (() => void) | undefined
  #isClosing = false

  constructor({ identity, pathsFile, brokers, turn, options, handler }: NodeCoreOptions) {
    const { clock } = this
    const inspect = options.inspect
    this.identity = identity
    this.#options = options
    this.#own = ownAddresses(options.interfaces)
    this.budget = new Budget(clock)
    this.access = new Access(options)
    this.#peers = new PeerBook(identity, machineSecret())
    this.pool = new BrokerPool({ brokers, clock, random: Math.random, inspect })
    this.#mailroom = new Mailroom({
      identity, clock, random: randomBytes, newKey: newSealingKey,
      publish: (brokerId, topic, payload) => void this.pool.publish(brokerId, topic, payload).catch(() => {}),
    })
    this.homes = new Homes(this.pool, clock, [this.#mailroom.topic, this.#mailroom.inbox])
    this.#resolver = new Resolver({ pool: this.pool, mailroom: this.#mailroom, peers: this.#peers, clock })
    this.time = new TimeKeeper({ clock, servers: options.ntp ?? publicServers.ntp, inspect })
    this.#stunServers = new StunServers(options.stun ?? publicServers.stun)
    this.network = new NetworkWatch({ servers: this.#stunServers, inspect })
    this.relayServers = new RelayServers(turn, allocateTcp, clock)
    this.#relays = new Relays(this.relayServers, peerId => this.access.isKnown(peerId))
    merge(this.time.changes$, this.network.changes$, this.relayServers.changes$).subscribe(() => this.changes$.next())
    this.#paths = new PathMemory({
      identity, file: pathsFile, clock, own: () => punchPlaces(this.#own).map(one => ({ ...one, external: this.network.externalAt(one.address) })),
    })
    const securer = new Securer(identity)
    this.#inbound = new InboundSockets(securer, {
      onOpen: (channel, hello, open) => (this.#isInbound ? openings.received(channel, hello, open) : channel.end()),
      onArrival: (channel, hello) => openings.arrived(channel, hello),
    })
    const dialler = new Dialler({
      securer, clock, budget: this.budget, access: this.access, own: () => this.#own, openAhead: channel => openings.openAhead(channel),
      allocation: id => this.#relays.get(id),
    })
    const allowedUnasked: OpeningsOptions['allowedUnasked'] = (peerId, protocol) =>
      (handler(protocol) === undefined ? undefined : this.access.allowedUnasked(peerId))
    this.registry = new SessionRegistry({
      machine: this.#wire(dialler, () => openings, handler), dialler, clock, inspect, allowedUnasked, policy: policyOf(options),
      newId: () => randomBytes(16).toString('hex'),
      endChannels: key => openings.endOthers(key),
    })
    const openings: Openings = new Openings({
      registry: this.registry, channels: this.#channels, pool: this.windows, clock, handler, allowedUnasked,
      scopeOf: channel => (this.#isLocal(channel) ? 'local' : 'external'),
      onProven: (peerId, path) => this.#paths.note(peerId, path),
    })
    this.#openDesk()
  }

  /** What an address says about a peer; undefined for an id, which has to be looked up. */
  knownTarget(peer: string): PeerTarget | undefined {
    const target = this.#resolver.known(peer)
    return target && this.#paths.recall(target)
  }

  get listenPort(): number {
    return this.#listener?.port ?? 0
  }

  get ownAddresses(): readonly OwnAddress[] {
    return this.#own
  }

  /** Takes the inbound role and opens the port; resolves to its number. Rejects with ERR_IDENTITY_*, ERR_PORT_IN_USE, ERR_LISTEN, ERR_NO_INTERFACE or ERR_CANCELLED. */
  open(): Promise<number> {
    const opening = this.#open()
    this.#opening = opening.catch(() => {})
    return opening
  }

  async #open(): Promise<number> {
    const { interfaces, listenPort = 0 } = this.#options
    const loaded = this.#paths.load()
    if (this.#isInbound) this.#lock = await takeInboundLock(this.identity.id)
    if (!this.#isClosing) {
      this.#listener = await listen({
        port: this.#isInbound ? listenPort : 0, onSocket: socket => this.#inbound.accept(socket),
        ...(interfaces !== undefined && { hosts: this.#own.map(bindable) }),
      })
    }
    await loaded
    if (this.#isClosing) throw new ThroughlineError('ERR_CANCELLED', 'the node was closed while it opened')
    this.#poll()
    this.time.start()
    this.network.update(this.#own)
    void this.relayServers.probe()
    return this.listenPort
  }

  /** Settles with the latest `open`; closing waits for it, so that what it opens is closed again. */
  #opening: Promise<unknown> = Promise.resolve()

  /** False for a node without brokers, or one that only connects those it needs. */
  get awaitsBroker(): boolean {
    return this.#isInbound && this.pool.size > 0
  }

  /** Connects the homes; true while one is online. */
  get brokers$(): Observable<boolean> {
    return new Observable<boolean>(subscriber => {
      if (this.#isInbound) this.homes.start()
      const isUp = this.pool.changes$.pipe(startWith(undefined), map(() => !this.#isInbound || this.homes.isOnline), distinctUntilChanged())
      const subscription = isUp.subscribe(subscriber)
      subscription.add(this.homes.changes$.subscribe(() => this.changes$.next()))
      subscription.add(this.pool.changes$.subscribe(() => this.changes$.next()))
      return subscription
    })
  }

  /** Our address as of now; with endpoints or, for those who have to be asked about first, without. */
  addressBytes(withEndpoints = true): Uint8Array {
    this.#sequence = Math.max(this.#sequence + 1, Math.floor(this.clock.wallNow()))
    return encodeAddressBytes({
      sequence: this.#sequence, brokers: this.homes.current, doorKey: this.identity.doorKey, machineTag: this.#peers.ownTag,
      interfaces: withEndpoints ? this.interfaces : [],
    }, this.identity)
  }

  get address(): string {
    return this.#isInbound ? `tl1${encodeBase32(this.addressBytes())}` : ''
  }

  /** Ends everything, pipes first. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#stopPolling?.()
    this.#inbound.close()
    this.time.close()
    const watched = this.network.close()
    const pipes = [...this.registry.entries].map(async ({ actor, pipe }) => {
      if (pipe === undefined) return actor.send({ type: 'connection.cancel', failure: { code: 'ERR_CANCELLED', message: 'the node was closed' } })
      const cancel = this.clock.after(defaults.session.leaveAfterMs, () => pipe.isIdle || pipe.abort('ERR_NODE_CLOSED'))
      await Promise.all([pipe.close().catch(() => {}), this.registry.idle()])
      cancel()
    })
    await Promise.all([...pipes, this.registry.idle()])
    this.homes.close()
    await this.#opening
    await Promise.all([watched, this.#relays.close(), this.#listener?.close(), this.pool.close(), this.#channels.disposeAll(), this.#paths.close()])
    await this.#lock?.release()
    this.changes$.complete()
  }

  get #isInbound(): boolean {
    return this.#options.inbound !== false
  }

  /** What our address says of where we listen. */
  get interfaces(): readonly InterfaceRecord[] {
    return interfaceRecords(this.#own, this.listenPort, address => this.network.tcpAt(address))
  }

  #isLocal({ remote, via }: Channel): boolean {
    if (via?.strategy === 'relay') return false
    const host = parseEndpoint(remote)?.host ?? ''
    return host === '::1' || host.startsWith('127.') || this.#own.some(({ address, cidr }) => address === host || isInPrefix(host, cidr))
  }

  /** From where a peer's relay sees us come, as far as somebody outside has told. */
  get #externals(): readonly string[] {
    const seen = [...this.network.interfaces.map(({ external }) => external), ...this.relayServers.summaries.map(({ mapped }) => mapped)]
    const ours = this.#own.map(({ address }) => address)
    return [...new Set(seen)].filter(host => host !== null && host !== undefined).filter(host => ipScope(host) === 'external' && !ours.includes(host))
  }

  readonly #stateWhere: StateWhere = (strategies, gathered) => stateExternals(this.#externals, this.listenPort)(strategies, gathered)

  #openDesk(): void {
    const desk = new OfferDesk({
      pool: this.pool, mailroom: this.#mailroom, peers: this.#peers, access: this.access, budget: this.budget, clock: this.clock,
      ownInterfaces: () => this.interfaces,
      stateWhere: this.#stateWhere,
      addressFor: withEndpoints => this.addressBytes(withEndpoints),
      onOffer: (peerId, message, received, leave) => this.registry.offer(peerId, message, received, leave),
      hasPipe: (peerId, session) => this.registry.hasPipe(peerId, session),
      onCancel: (peerId, session) => this.registry.cancel(peerId, session),
    })
    this.pool.messages$.subscribe(({ brokerId, payload }) => this.#mailroom.receive(payload, brokerId))
    this.#mailroom.letters$.subscribe(delivery => {
      const { message, senderId } = delivery.letter
      if (message.type === 'wantPath') this.registry.wantPath(senderId, message.session)
      else if (this.#isInbound) desk.take(delivery)
    })
    this.#desk = desk
  }

  #desk!: OfferDesk

  #wire(dialler: Dialler, openings: () => Openings, handler: NodeCoreOptions['handler']): ReturnType<typeof provideConnectionMachine> {
    const { clock, budget, access, pool } = this
    const exchange: ExchangeOptions = {
      pool, mailroom: this.#mailroom, peers: this.#peers, clock, ownInterfaces: () => this.interfaces, stateWhere: this.#stateWhere, keep: (key, kept) => this.registry.keep(key, kept),
    }
    return provideConnectionMachine({
      channels: this.#channels, clock, budget, access, handler,
      own: () => this.#own,
      birthday: this.#options.birthday ?? 'auto',
      proven: (peerId, records) => this.#paths.between(peerId, records),
      holdRelays: (whose, tell) => this.#relays.hold(whose, tell),
      hold: () => new PunchPorts({ network: this.network, servers: this.#stunServers, own: () => this.#own }),
      reach: request => dialler.reach(request),
      serve: (channel, hello) => this.#inbound.serve(channel, hello),
      awaitInbound: (hosts, signal) => this.#inbound.settledFrom(hosts, AbortSignal.any([signal, AbortSignal.timeout(defaults.attempt.offerHoldMs)])),
      resolve: async (sessionKey, signal) => this.#paths.recall(await this.#resolver.resolve(this.registry.get(sessionKey)?.facts.peer ?? '', signal)),
      offer$: (request, letters$) => exchangeOffer$(exchange, request, letters$),
      desk: () => this.#desk,
      session: key => this.registry.get(key)?.session,
      openings,
      planPath: ({ sessionKey, target }) => ({ ...this.registry.planPath(sessionKey), target: target && this.#paths.recall(target) }),
      quicken: () => this.pool.quicken(),
      askByLetter: key => this.#askByLetter(key),
      endSearch: key => this.registry.endSearch(key),
    })
  }

  /** Again and again, and as soon as a broker is back. */
  #askByLetter(key: string): () => void {
    const ask = () => this.#desk.wantPath(this.registry.get(key)?.offerId ?? '')
    const cancel = every(this.clock, defaults.recovery.askEveryMs, ask)
    const served = this.pool.served$.subscribe(ask)
    return () => {
      cancel()
      served.unsubscribe()
    }
  }

  /** Interfaces come and go; when they do, brokers are tried afresh and the address changes. */
  #poll(): void {
    this.#stopPolling = this.clock.after(defaults.node.interfacePollMs, () => {
      this.#poll()
      const own = ownAddressesOrNone(this.#options.interfaces)
      if (JSON.stringify(own) === JSON.stringify(this.#own)) return
      this.#own = own
      this.pool.retryAll()
      this.network.update(own)
      void this.relayServers.probe()
      this.time.networkChanged()
      this.registry.networkChanged(isOfThisMachine)
      this.changes$.next()
    })
  }
}

/** The numbers its connections wait by. */
const policyOf = ({ suspendMs = defaults.recovery.suspendMs }: NodeOptions): ConnectionPolicy =>
  ({ attempt: defaults.attempt, dial: defaults.dial, punch: defaults.punch, relay: defaults.relay, recovery: { ...defaults.recovery, suspendMs } })

/** A link-local address means something only with its zone. */
const bindable = ({ address, family, interfaceName }: OwnAddress): string =>
  family === 6 && ipScope(address) === 'link-local' ? `${address}%${interfaceName}` : address

function ownAddressesOrNone(names: readonly string[] | undefined): readonly OwnAddress[] {
  try {
    return ownAddresses(names)
  } catch {
    return []
  }
}
