import { fromCallback, fromPromise } from 'xstate'
import { toFailure, type Failure } from '../../src/errors/index.js'
import type { AuthorizeLogic, RefuseLogic, TellPendingLogic } from './connection.types.js'
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
}

/** Actors for `connectionMachine.provide`. */
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
  return { authorize, tellPending, refuse }
}
