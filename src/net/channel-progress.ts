import type { Failure } from '../errors/index.js'
import type { Hello } from '../protocol/frames.js'
import type { Channel } from './channel.js'

/** How far it has come, ms of the node's clock. `secured` hands the channel to the listener, with HELLO sent. */
export type ChannelStep =
  /** `rttMs` 0: not known yet, the peer connected to us. `remote`: where that is known only now. */
  | { readonly type: 'connected'; readonly rttMs: number; readonly remote?: string; readonly atMs: number }
  | { readonly type: 'secured'; readonly channel: Channel; readonly hello: Hello; readonly atMs: number }
  | { readonly type: 'failed'; readonly failure: Failure; readonly atMs: number }

/**
 * A channel on its way. It starts by itself and waits for nobody: whoever follows it later hears first what has
 * happened. Its maker owns it until `secured` or `failed`, and ends it by `abandon`.
 */
export interface ChannelInProgress {
  readonly startedAtMs: number
  /** Our endpoint, as far as it is known. */
  readonly local: string
  /** True once TCP has come through. */
  readonly isConnected: boolean
  /** Tells `listener` every step, also those so far. One listener. */
  follow(listener: (step: ChannelStep) => void): void
  /** Ends it wherever it is; nothing is told any more. A channel that was handed over is not touched. */
  abandon(): void
}

/** The steps of a channel on its way, for one listener; kept until it comes, at most two. */
export class ChannelSteps {
  readonly #kept: ChannelStep[] = []
  #listener: ((step: ChannelStep) => void) | undefined
  #isOver = false

  tell(step: ChannelStep): void {
    if (this.#isOver) return
    if (this.#listener === undefined) this.#kept.push(step)
    else this.#listener(step)
  }

  follow(listener: (step: ChannelStep) => void): void {
    this.#listener = listener
    for (const step of this.#kept.splice(0)) listener(step)
  }

  /** Nothing is told any more; a channel nobody took is ended. */
  drop(): void {
    this.#isOver = true
    for (const step of this.#kept.splice(0)) if (step.type === 'secured') step.channel.end()
  }
}
