import { fromCallback, fromPromise } from 'xstate'
import type { Observable } from 'rxjs'
import { toFailure } from '../../src/errors/index.js'
import type { CloseAllLogic, OpenPortLogic, ServeBrokersLogic } from './node.types.js'

/** What the node's actors work with. */
export interface NodeResources {
  /** Resolves to the listening port. Rejects with a coded error. */
  readonly open: (signal: AbortSignal) => Promise<number>
  /** Whether a home is online, now and at each change. Connects the homes while it is subscribed for the first time. */
  readonly brokers$: Observable<boolean>
  readonly close: () => Promise<void>
}

/** Actors for `nodeMachine.provide`. */
export function createNodeActors({ open, brokers$, close }: NodeResources) {
  const openPort: OpenPortLogic = fromPromise(async ({ signal }) => {
    try {
      return { ok: true, listenPort: await open(signal) }
    } catch (error) {
      return { ok: false, failure: toFailure(error) }
    }
  })
  const serveBrokers: ServeBrokersLogic = fromCallback(({ sendBack }) => {
    const subscription = brokers$.subscribe({
      next: isOnline => sendBack({ type: isOnline ? 'broker.up' : 'broker.down' }),
      error: () => sendBack({ type: 'broker.down' }),
    })
    return () => subscription.unsubscribe()
  })
  const closeAll: CloseAllLogic = fromPromise(() => close())
  return { openPort, serveBrokers, closeAll }
}
