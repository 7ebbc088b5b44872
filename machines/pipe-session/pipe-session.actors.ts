import { fromCallback, fromPromise } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { Session } from '../../src/streams/session/session.js'
import type { AcceptOpenLogic, AcceptOutput, WatchSessionLogic } from './pipe-session.types.js'

/** What the pipe session's actors work with. */
export interface PipeSessionResources {
  readonly session: (sessionKey: string) => Session | undefined
  /** Looks for a handler, sends ACCEPT and takes the channel into service. */
  readonly accept: (sessionKey: string, channelId: string) => AcceptOutput
}

/** Actors and actions for `pipeSessionMachine.provide`; `acceptOpen` serves the connection machine too. */
export function createPipeSessionActors({ session, accept }: PipeSessionResources) {
  const watchSession: WatchSessionLogic = fromCallback(({ input, sendBack }) => {
    const subscription = session(input.sessionKey)?.events$.subscribe(event => sendBack(event))
    return () => subscription?.unsubscribe()
  })
  const acceptOpen: AcceptOpenLogic = fromPromise(async ({ input }) => accept(input.sessionKey, input.channelId ?? ''))
  return {
    actors: { watchSession, acceptOpen },
    actions: {
      closeSession: (_: unknown, { sessionKey, failure }: { sessionKey: string; failure: Failure | undefined }) => session(sessionKey)?.close(failure),
    },
  }
}
