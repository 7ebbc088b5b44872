import { fromPromise } from 'xstate'
import { toFailure, type Failure } from '../../src/errors/index.js'
import { connectBroker, type BrokerLink } from '../../src/net/mqtt-link.js'
import type { ResourceTable } from '../../src/net/resource-table.js'
import type { BrokerUrl } from '../../src/protocol/broker-url.js'
import type { ConnectLinkInput, ConnectLinkOutput, WatchLinkInput, WatchLinkOutput } from './signalling.types.js'

/** What the actors of the signalling machine need from their node. */
export interface SignallingResources {
  readonly links: ResourceTable<BrokerLink>
  /** The URL with credentials of a broker id. */
  readonly resolveUrl: (brokerId: string) => BrokerUrl
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** For a connect, and for each operation of the link. */
  readonly timeoutMs: number
  /** Default `connectBroker`. */
  readonly connect?: typeof connectBroker
}

/**
 * Actors for `signallingMachine.provide({ actors })`. A link belongs to `connectLink` until it is done and to
 * `watchLink` from then on; whichever is stopped first closes it.
 */
export function createSignallingActors({ links, resolveUrl, random, timeoutMs, connect = connectBroker }: SignallingResources) {
  return {
    connectLink: fromPromise<ConnectLinkOutput, ConnectLinkInput>(async ({ input, signal }) => {
      try {
        const link = await connect(resolveUrl(input.brokerId), { signal, timeoutMs })
        const linkId = links.add(link, value => value.close())
        if (signal.aborted) links.release(linkId)
        // between this result and the machine's next state the actor may still be stopped; once it is done this never fires
        signal.addEventListener('abort', () => links.release(linkId), { once: true })
        return { ok: true, linkId, version: link.version, rttMs: link.rttMs }
      } catch (error) {
        return { ok: false, failure: toFailure(error), jitter: random() }
      }
    }),

    watchLink: fromPromise<WatchLinkOutput, WatchLinkInput>(async ({ input, signal }) => {
      const release = () => links.release(input.linkId)
      signal.addEventListener('abort', release, { once: true })
      const failure = (await links.get(input.linkId)?.closed) ?? closedHere
      release()
      return { failure, jitter: random() }
    }),
  }
}

const closedHere: Failure = { code: 'ERR_BROKER_LOST', message: 'the connection to the broker was closed on this side' }
