import { defaults } from '../../config/defaults.js'
import { ThroughlineError } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import type { Socket } from '../dial-socket.js'
import type { TurnArrival, TurnLimits } from './types.js'

/** Connections of peers that wait to be bound: at most `turn.maxArrivals`, of which a further one drives out the oldest. */
export class WaitingArrivals {
  readonly #bind: (id: number, limits: TurnLimits) => Promise<Socket>
  readonly #waiting = new Set<number>()

  constructor(bind: (id: number, limits: TurnLimits) => Promise<Socket>) {
    this.#bind = bind
  }

  add(peer: Endpoint, id: number): TurnArrival {
    const endMs = performance.now() + defaults.turn.arrivalMs
    this.#waiting.add(id)
    const [oldest] = this.#waiting
    if (this.#waiting.size > defaults.turn.maxArrivals && oldest !== undefined) this.#waiting.delete(oldest)
    return {
      peer,
      accept: async ({ timeoutMs, signal }) => {
        const leftMs = endMs - performance.now()
        if (!this.#waiting.delete(id)) throw new ThroughlineError('ERR_RELAY_LOST', 'the connection of the peer is taken, or was given up for later ones')
        if (leftMs <= 0) throw new ThroughlineError('ERR_RELAY_TIMEOUT', `the connection of the peer was not taken within ${defaults.turn.arrivalMs} ms`)
        return await this.#bind(id, { timeoutMs: Math.min(timeoutMs, leftMs), signal })
      },
    }
  }
}
