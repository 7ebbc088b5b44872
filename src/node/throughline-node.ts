import { BehaviorSubject, distinctUntilChanged, map, Observable, startWith, Subject, Subscription } from 'rxjs'
import { createActor, waitFor, type ActorRefFrom } from 'xstate'
import { createNodeActors } from '../../machines/node/node.actors.js'
import { nodeMachine } from '../../machines/node/node.machine.js'
import { strategyOrder } from '../../machines/strategies.js'
import { defaults } from '../config/defaults.js'
import { ThroughlineError, type Failure } from '../errors/index.js'
import { formatEndpoint } from '../protocol/endpoint.js'
import { assertStrategies } from './assert-strategies.js'
import { AttemptView } from './attempt-view.js'
import { echoPings, pingProtocol } from './ping-responder.js'
import type { NodeCore } from './node-core.js'
import type { Handlers } from './handlers.js'
import type { Attempt, DialOptions, HandleOptions, NetworkSummary, Node, NodeOptions, Pipe } from './types.js'

type NodeActor = ActorRefFrom<typeof nodeMachine>

/** The public face of a node: its core, seen through observables. */
export class ThroughlineNode implements Node {
  readonly actor: NodeActor
  readonly name: string | undefined
  readonly #core: NodeCore
  readonly #handlers: Handlers
  readonly #address$: BehaviorSubject<string>
  readonly #pipes$ = new Subject<Pipe>()
  #closing: Promise<void> | undefined

  constructor(core: NodeCore, handlers: Handlers, { name, inspect }: NodeOptions) {
    this.#core = core
    this.#handlers = handlers
    this.name = name
    this.#address$ = new BehaviorSubject('')
    handlers.add(pingProtocol, { onPipe: echoPings, accept: () => true })
    const machine = nodeMachine.provide({
      actors: createNodeActors({ open: () => core.open(), brokers$: core.brokers$, close: () => core.close() }),
    })
    const closeTimeoutMs = 2 * defaults.dial.lingerMs
    const startupWaitMs = core.awaitsBroker ? defaults.signalling.startupWaitMs : 0
    this.actor = createActor(machine, { input: { openTimeoutMs: defaults.node.openTimeoutMs, startupWaitMs, closeTimeoutMs }, ...(inspect !== undefined && { inspect }) })
    this.actor.subscribe({ error: () => {} })
  }

  /** Starts; resolves when the node is online. Rejects with what keeps it from listening. */
  async start(): Promise<this> {
    this.actor.start()
    const { value, context } = await settled(this.actor, ({ value }) => value === 'online' || value === 'closed')
    if (value === 'closed') throw failed(context.failure)
    this.#refreshAddress()
    this.#core.changes$.subscribe(() => this.#refreshAddress())
    return this
  }

  get id(): string {
    return this.#core.identity.id
  }

  get address(): string {
    return this.#address$.value
  }

  get address$(): Observable<string> {
    return this.#address$.pipe(distinctUntilChanged())
  }

  get pipes$(): Observable<Pipe> {
    return new Observable(subscriber => {
      const remove = this.#handlers.add('', { onPipe: pipe => this.#pipes$.next(pipe), accept: () => true })
      const subscription = this.#pipes$.subscribe(subscriber)
      subscription.add(remove)
      return subscription
    })
  }

  get state$(): Observable<string> {
    return snapshots(this.actor).pipe(map(({ value }) => (typeof value === 'string' ? value : 'starting')), distinctUntilChanged())
  }

  get network$(): Observable<NetworkSummary> {
    return this.#core.changes$.pipe(startWith(undefined), map(() => this.#network()))
  }

  get degraded(): readonly string[] {
    const missing = this.#core.homes.isOnline ? [] : ['signalling']
    const { network, time, relayServers: { summaries } } = this.#core
    const hasRelay = summaries.length === 0 || summaries.some(({ state }) => state === 'serving')
    const isKnown = network.interfaces.some(({ external }) => external !== null)
    return [...missing, ...(isKnown ? [] : ['stun']), ...(time.summary === undefined ? ['clock'] : []), ...notInThisVersion, ...(hasRelay ? [] : ['relay'])]
  }

  async connect(peer: string, options: DialOptions = {}): Promise<Pipe> {
    return this.dial(peer, options).pipe
  }

  dial(peer: string, { strategies, mode = 'race', timeoutMs = defaults.attempt.timeoutMs, protocol = '', firstBytes, signal }: DialOptions = {}): Attempt {
    this.#assertUsable()
    assertStrategies(strategies)
    if (Buffer.byteLength(protocol) > 255) throw new ThroughlineError('ERR_PROTOCOL_NAME', 'a protocol name has at most 255 bytes')
    if (firstBytes !== undefined && firstBytes.length > defaults.session.firstBytesMax) {
      throw new ThroughlineError('ERR_MESSAGE_TOO_LARGE', `firstBytes has ${firstBytes.length} bytes; at most ${defaults.session.firstBytesMax} travel with OPEN`)
    }
    const entry = this.#core.registry.dial({ peer, target: this.#core.knownTarget(peer), protocol, firstBytes, attempt: { strategies: strategies ?? strategyOrder, mode, timeoutMs } })
    const attempt = new AttemptView(entry, this.#core.clock)
    const cancel = () => entry.actor.send({ type: 'connection.cancel', failure: { code: 'ERR_CANCELLED', message: 'the attempt was cancelled' } })
    if (signal?.aborted === true) cancel()
    signal?.addEventListener('abort', cancel)
    const settle = () => signal?.removeEventListener('abort', cancel)
    attempt.pipe.then(settle, settle)
    return attempt
  }

  handle(protocol: string, handler: (pipe: Pipe) => void | Promise<void>, { accept = () => true }: HandleOptions = {}): () => void {
    if (protocol.startsWith('tl/') && !protocol.startsWith('tl/forward/1 ')) {
      throw new ThroughlineError('ERR_PROTOCOL_NAME', `protocols that begin with tl/ are reserved: ${protocol}`)
    }
    return this.#handlers.add(protocol, { onPipe: pipe => void serve(pipe, handler), accept })
  }

  async settled({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { homes, network, time, relayServers, changes$ } = this.#core
    const isSettled = () => homes.isSettled && network.isSettled && time.isSettled && relayServers.isSettled
    const limit = AbortSignal.timeout(defaults.node.settledMaxMs)
    await new Promise<void>((resolve, reject) => {
      // of a closed node it completes while it is subscribed to
      const subscription = new Subscription()
      const settle = (conclude: () => void) => {
        subscription.unsubscribe()
        limit.removeEventListener('abort', onLimit)
        signal?.removeEventListener('abort', onAbort)
        conclude()
      }
      const onLimit = () => settle(resolve)
      const onAbort = () => settle(() => reject(signal?.reason))
      limit.addEventListener('abort', onLimit)
      signal?.addEventListener('abort', onAbort)
      subscription.add(changes$.subscribe({ next: () => isSettled() && settle(resolve), complete: onLimit }))
      if (signal?.aborted === true) onAbort()
      else if (isSettled()) settle(resolve)
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    if (this.actor.getSnapshot().status === 'active') this.actor.send({ type: 'node.close' })
    await settled(this.actor, ({ status }) => status === 'done')
    this.#address$.complete()
    this.#pipes$.complete()
  }

  #assertUsable(): void {
    if (this.#closing !== undefined) throw new ThroughlineError('ERR_NODE_CLOSED', 'the node is closed')
  }

  /** A new signature only when what it signs has changed. */
  #refreshAddress(): void {
    const facts = JSON.stringify([this.#core.homes.current, this.#core.interfaces])
    if (facts === this.#addressFacts || this.#closing !== undefined) return
    this.#addressFacts = facts
    this.#address$.next(this.#core.address)
  }

  #addressFacts = ''

  #network(): NetworkSummary {
    const { network, time, relayServers, listenPort, pool, budget, windows } = this.#core
    return {
      interfaces: network.interfaces,
      sparePorts: network.spares.all.map(({ local, mapped }) => ({ local: formatEndpoint(local), mapped: formatEndpoint(mapped) })),
      clock: time.summary ?? null,
      ...(time.failure !== undefined && { clockError: time.failure }),
      listenPort,
      relays: relayServers.summaries,
      brokers: pool.status,
      budgets: { ...budget.use, windowBytes: { used: windows.lent, limit: windows.limit } },
    }
  }
}

/** A handler that throws ends its pipe: a peer that leaves early must not become an unhandled rejection of the application. */
async function serve(pipe: Pipe, handler: (pipe: Pipe) => void | Promise<void>): Promise<void> {
  try {
    await handler(pipe)
  } catch (cause) {
    const message = `the handler failed: ${cause instanceof Error ? cause.message : String(cause)}`
    pipe.destroy(new ThroughlineError('ERR_HANDLER_FAILED', message, { cause }))
  }
}

/** Services of the contract that this version does not have yet. */
const notInThisVersion = ['portMapping']

type NodeSnapshot = ReturnType<NodeActor['getSnapshot']>

const snapshots = (actor: NodeActor): Observable<NodeSnapshot> =>
  new Observable<NodeSnapshot>(subscriber => actor.subscribe(subscriber)).pipe(startWith(actor.getSnapshot()))

/** Resolves when the node's machine has come so far, or has ended. */
const settled = (actor: NodeActor, isReached: (snapshot: NodeSnapshot) => boolean): Promise<NodeSnapshot> =>
  waitFor(actor, snapshot => isReached(snapshot) || snapshot.status !== 'active')

const failed = (failure: Failure | undefined): ThroughlineError =>
  new ThroughlineError(failure?.code ?? 'ERR_INTERNAL', failure?.message ?? 'the node could not start')
