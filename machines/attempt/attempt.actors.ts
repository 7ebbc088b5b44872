import { fromCallback, fromPromise } from 'xstate'
import { Subject, type Observable } from 'rxjs'
import { toFailure } from '../../src/errors/index.js'
import type { OpenEvent } from '../../src/streams/session/types.js'
import type { AnswerLogic, AnswerRequest, AttemptEvent, AttemptReason, ExchangeLogic, OfferRequest, OpenChannelLogic, PeerTarget, PunchLetter, ResolvePeerLogic } from './attempt.types.js'

/** What the attempt's actors work with. Streams end their work when unsubscribed. */
export interface AttemptResources {
  /** Reads the address a session is to reach, or asks for it. Rejects with a coded error. */
  readonly resolve: (sessionKey: string, signal: AbortSignal) => Promise<PeerTarget>
  /** `letters$`: what the peer is told after the offer. */
  readonly offer$: (request: OfferRequest, letters$: Observable<PunchLetter>) => Observable<AttemptEvent>
  readonly answer$: (request: AnswerRequest, letters$: Observable<PunchLetter>) => Observable<AttemptEvent>
  readonly open$: (sessionKey: string, channelId: string, reason: AttemptReason) => Observable<OpenEvent>
  readonly endChannels: (sessionKey: string, exceptId: string | undefined) => void
}

/** Actors and actions for `attemptMachine.provide`. */
export function createAttemptActors({ resolve, offer$, answer$, open$, endChannels }: AttemptResources) {
  const resolvePeer: ResolvePeerLogic = fromPromise(async ({ input, signal }) => {
    try {
      return { ok: true, target: await resolve(input.sessionKey, signal) }
    } catch (error) {
      return { ok: false, failure: toFailure(error) }
    }
  })
  const exchange: ExchangeLogic = fromCallback(({ input, sendBack, receive }) => follow(offer$(input, received$(receive)), sendBack))
  const answer: AnswerLogic = fromCallback(({ input, sendBack, receive }) => follow(answer$(input, received$(receive)), sendBack))
  const openChannel: OpenChannelLogic = fromCallback(({ input, sendBack }) => follow(open$(input.sessionKey, input.channelId, input.reason), sendBack))
  return {
    actors: { resolvePeer, exchange, answer, openChannel },
    actions: { endChannels: (_: unknown, params: { sessionKey: string; exceptId: string | undefined }) => endChannels(params.sessionKey, params.exceptId) },
  }
}

/** What an actor is sent, from now on. */
function received$(receive: (listener: (letter: PunchLetter) => void) => void): Observable<PunchLetter> {
  const letters$ = new Subject<PunchLetter>()
  receive(letter => letters$.next(letter))
  return letters$
}

/** Sends what a stream says to the machine, as long as its state lasts. A broken stream is told as a failed exchange. */
function follow<T extends AttemptEvent>(events$: Observable<T>, sendBack: (event: AttemptEvent) => void): () => void {
  const subscription = events$.subscribe({
    next: sendBack,
    error: (error: unknown) => sendBack({ type: 'exchange.failed', failure: toFailure(error) }),
  })
  return () => subscription.unsubscribe()
}
