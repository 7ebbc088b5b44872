import { ReplaySubject, Subscription, type Observable } from 'rxjs'
import { markSettled } from '../../machines/attempt/candidates.js'
import type { AttemptContext } from '../../machines/attempt/attempt.types.js'
import { initialContext } from '../../machines/attempt/initial-context.js'
import { explain } from '../../machines/attempt/verdict.js'
import type { CandidateRecord } from '../../machines/shared/candidate.types.js'
import { ConnectError, type Failure } from '../errors/index.js'
import type { Clock } from '../net/clock.js'
import type { SessionEntry } from './session-entry.js'
import type { Attempt, AttemptReport, ConnectionState, Pipe } from './types.js'

/** A dial as the application sees it: a projection of the connection's actor. Ends with the attempt's outcome. */
export class AttemptView implements Attempt {
  readonly session: string
  readonly state$: Observable<ConnectionState>
  readonly candidates$: Observable<CandidateRecord>
  readonly pipe: Promise<Pipe>

  readonly #entry: SessionEntry
  readonly #clock: Clock
  /** Every state so far: on a short way several pass before anybody can subscribe. An attempt has six at most. */
  readonly #state$ = new ReplaySubject<ConnectionState>(maxStates)
  #state: ConnectionState = 'resolving'
  /** Bounded by the candidates of one attempt and their few states. */
  readonly #candidates$ = new ReplaySubject<CandidateRecord>()
  #context!: AttemptContext
  #failure: Failure | undefined
  #endedAtMs: number | undefined

  constructor(entry: SessionEntry, clock: Clock) {
    this.#entry = entry
    this.#clock = clock
    this.session = entry.facts.sessionId
    this.#state$.next(this.#state)
    this.state$ = this.#state$.asObservable()
    this.candidates$ = this.#candidates$.asObservable()
    this.pipe = new Promise((resolve, reject) => entry.watch(() => this.#follow(reject), resolve))
    this.pipe.catch(() => {})
  }

  get actor(): SessionEntry['actor'] {
    return this.#entry.actor
  }

  report(): AttemptReport {
    this.#entry.begin()
    const { sessionId, attemptId, protocol, strategies, mode, known, signalling, startedAtMs, candidates } = this.#context
    const elected = Object.values(candidates).find(({ status }) => status === 'elected')
    const remembered = known?.remembered
    const isTriedFirst = remembered !== undefined && strategies.some(strategy => strategy === remembered.strategy)
    return {
      session: sessionId, attempt: attemptId, protocol, strategies, mode, state: this.#state, startedAtMs,
      elapsedMs: (this.#endedAtMs ?? this.#clock.now()) - startedAtMs,
      ...(known !== undefined && { peerId: known.peerId }),
      ...(isTriedFirst && { remembered }),
      signalling: {
        state: signalling.answered ? 'answered' : signalling.acknowledged ? 'acknowledged' : signalling.published ? 'published' : 'unused',
        brokers: known?.brokers ?? [],
        ...(signalling.peerClock !== undefined && { peerClock: signalling.peerClock }),
        ...(signalling.failure !== undefined && { error: signalling.failure }),
      },
      candidates: Object.values(candidates),
      verdict: explain({ context: this.#context, elected, failure: this.#failure }),
    }
  }

  #follow(reject: (error: Error) => void): void {
    // an attempt with nothing to try is over before anybody can look
    this.#context = this.#entry.attempt ?? initialContext(this.actor.getSnapshot().context.attempt)
    const attempt = this.actor.getSnapshot().children['attempt'] as { subscribe(next: (snapshot: { context: AttemptContext }) => void): { unsubscribe(): void } } | undefined
    const onAttempt = ({ context }: { readonly context: AttemptContext }) => this.#note(context)
    const following = new Subscription()
    following.add(attempt?.subscribe(onAttempt))
    const look = () => {
      const { value, context } = this.actor.getSnapshot()
      const state = connectionState(value, this.#attemptValue()) ?? this.#state
      this.#show(state)
      if (state === 'connected') return settle(() => {})
      if (state === 'failed' || state === 'closed') settle(() => reject(this.#fail(context.failure)))
    }
    const settle = (conclude: () => void) => {
      this.#endedAtMs ??= this.#clock.now()
      following.unsubscribe()
      this.#note(markSettled(this.#context))
      conclude()
      this.#candidates$.complete()
      this.#followPipe()
    }
    const onDefect = () => settle(() => reject(this.#fail({ code: 'ERR_INTERNAL', message: 'the machine of the connection failed' })))
    following.add(this.actor.subscribe({ next: look, error: onDefect, complete: look }))
    this.#look = look
    look()
  }

  /** The attempt's own states (resolving, electing) do not reach the observers of the connection. */
  #look: () => void = () => {}

  #note(context: AttemptContext): void {
    const before = this.#context.candidates
    this.#context = context
    for (const record of Object.values(context.candidates)) if (before[record.id] !== record) this.#candidates$.next(record)
    if (this.#endedAtMs === undefined) this.#look()
  }

  #attemptValue(): unknown {
    const attempt = this.actor.getSnapshot().children['attempt'] as { getSnapshot(): { value: unknown } } | undefined
    return attempt?.getSnapshot().value
  }

  #fail(failure: Failure | undefined): ConnectError {
    this.#failure = failure
    const { verdict, candidates } = this.report()
    return new ConnectError(failure?.code ?? 'ERR_INTERNAL', verdict, candidates)
  }

  #show(state: ConnectionState): void {
    if (state === this.#state) return
    this.#state = state
    this.#state$.next(state)
  }

  #followPipe(): void {
    const { pipe } = this.#entry
    if (pipe === undefined) return this.#state$.complete()
    pipe.state$.subscribe({ next: state => this.#show(state), complete: () => this.#state$.complete() })
  }
}

const maxStates = 8

/** The machines' states in the words of the contract (docs/cli.md); undefined between the end of the attempt and its result. */
function connectionState(connection: unknown, attempt: unknown): ConnectionState | undefined {
  if (connection === 'closed' || connection === 'failed') return connection
  if (typeof connection === 'object' && connection !== null && ('connected' in connection || 'recovering' in connection)) return 'connected'
  if (attempt === 'resolving' || attempt === 'starting') return 'resolving'
  if (typeof attempt !== 'object' || attempt === null || !('connecting' in attempt)) return undefined
  const { election } = attempt.connecting as { election?: unknown }
  return typeof election === 'object' ? 'electing' : 'connecting'
}
