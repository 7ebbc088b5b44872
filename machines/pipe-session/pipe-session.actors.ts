import { fromCallback, fromPromise } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { Session } from '../../src/streams/session/session.js'
import type { AcceptOpenLogic, AcceptOutput, WatchSessionLogic } from './pipe-session.types.js'

/** What the pipe session's actors work with. */
export interface PipeSessionResources {
  readonly session: (sessionKey: string) => Session | undefined
  /** Looks for a handler, sends ACCEPT and takes the channel into service. */
  readonly accept: (sessionKey: string, channelId: string) => AcceptOutput
  readonly refuse: (channelId: string, failure: Failure) => void
}

/** Actors and actions for `pipeSessionMachine.provide`; `acceptOpen` is the connection machine's. */
export function createPipeSessionActors({ session, accept, refuse }: PipeSessionResources) {
  const watchSession: WatchSessionLogic = fromCallback(({ input, sendBack }) => {
    const subscription = session(input.sessionKey)?.events$.subscribe(event => sendBack(event))
    return () => subscription?.unsubscribe()
  })
  const acceptOpen: AcceptOpenLogic = fromPromise(async ({ input }) => accept(input.sessionKey, input.channelId ?? ''))
  /** A pipe that is open stays where it is when a channel may not carry it. */
  const acceptMove: AcceptOpenLogic = fromPromise(async ({ input: { sessionKey, channelId = '' } }) => {
    const accepted = accept(sessionKey, channelId)
    if (!accepted.ok) refuse(channelId, accepted.failure)
    return accepted
  })
  return {
    acceptOpen,
    actors: { watchSession, acceptOpen: acceptMove },
    actions: {
      closeSession: (_: unknown, { sessionKey, failure }: { sessionKey: string; failure: Failure | undefined }) => session(sessionKey)?.close(failure),
    },
  }
}
