import { fromCallback, fromPromise } from 'xstate'
import { toFailure, type Failure } from '../../src/errors/index.js'
import type { StrategyName } from '../../src/protocol/strategy.js'
import type { AskForPathLogic, AuthorizeLogic, QuickenLogic, RefuseLogic, TellPendingLogic } from './connection.types.js'
import type { Strategy } from '../strategies.js'

/** What the connection's own actors work with. */
export interface ConnectionResources {
  /** The strategies the peer may use; rejects with ERR_REFUSED, ERR_UNHANDLED_PROTOCOL … */
  readonly authorize: (
    request: { readonly peerId: string; readonly protocol: string; readonly strategies: readonly Strategy[] }, signal: AbortSignal,
  ) => Promise<readonly Strategy[]>
  readonly tellPending: (sessionKey: string, channelId: string) => void
  readonly refuseChannel: (channelId: string, failure: Failure) => void
  readonly refuseOffer: (offerId: string, failure: Failure) => void
  /** Looks after the brokers closely, until what it returns is called. */
  readonly quicken: () => () => void
  /** Responder: asks the initiator for a path by its inbox, again and again until what it returns is called. */
  readonly askByLetter: (sessionKey: string) => () => void
  /** The same once, by the channel in use. */
  readonly askByChannel: (sessionKey: string, strategies: readonly StrategyName[]) => void
  /** Ends the channels of the session that are not in its service; the search is over. */
  readonly endSearch: (sessionKey: string) => void
}

/** Actors and actions for `connectionMachine.provide`. */
export function createConnectionActors(resources: ConnectionResources) {
  const authorize: AuthorizeLogic = fromPromise(async ({ input, signal }) => {
    try {
      return { ok: true, strategies: await resources.authorize(input, signal) }
    } catch (error) {
      return { ok: false, failure: toFailure(error, 'ERR_REFUSED') }
    }
  })
  const tellPending: TellPendingLogic = fromCallback(({ input }) => {
    if (input.channelId !== undefined) resources.tellPending(input.sessionKey, input.channelId)
  })
  const refuse: RefuseLogic = fromPromise(async ({ input }) => {
    const failure: Failure = input.failure ?? { code: 'ERR_REFUSED', message: 'refused' }
    if (input.channelId !== undefined) resources.refuseChannel(input.channelId, failure)
    if (input.offerId !== undefined) resources.refuseOffer(input.offerId, failure)
  })
  const quicken: QuickenLogic = fromCallback(() => resources.quicken())
  const askForPath: AskForPathLogic = fromCallback(({ input }) => resources.askByLetter(input.sessionKey))
  return {
    actors: { authorize, tellPending, refuse, quicken, askForPath },
    actions: {
      askForPath: (_: unknown, { sessionKey, strategies }: { sessionKey: string; strategies: readonly StrategyName[] }) => resources.askByChannel(sessionKey, strategies),
      endChannels: (_: unknown, { sessionKey }: { sessionKey: string }) => resources.endSearch(sessionKey),
    },
  }
}
