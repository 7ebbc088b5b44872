import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { defaults } from '../config/defaults.js'
import type { Endpoint } from '../protocol/endpoint.js'
import { dialSocket } from './dial-socket.js'
import { RateWindow } from './stun-rate.js'

const limits = defaults.stun.responder

/** Connections a responder opens to requesters that asked for them. Bounded by `maxDialBacks` at once and by rates. */
export class BackDialler {
  readonly #rate = new RateWindow({ windowMs: 60_000, perSource: limits.dialBacksPerSourcePerMinute, inAll: limits.dialBacksPerMinute })
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor() {
    // each dial-back listens
    setMaxListeners(0, this.#stop.signal)
  }

  /** Whether one more may be made for this requester; counts it then. */
  take(source: string): boolean {
    return this.#running.size < limits.maxDialBacks && this.#rate.take(source, performance.now())
  }

  /** Connects from an address of this machine, any port, and ends the connection after `dialBackHoldMs`. Never fails: no connection is an answer too. */
  dial(target: Endpoint, localAddress: string): void {
    const running = this.#run(target, localAddress)
    this.#running.add(running)
    void running.then(() => this.#running.delete(running))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
  }

  async #run(remote: Endpoint, localAddress: string): Promise<void> {
    const { signal } = this.#stop
    try {
      await held(await dialSocket({ remote, localAddress, timeoutMs: limits.dialBackTimeoutMs, signal }), signal)
    } catch {
      // a filter, or nobody listens
    }
  }
}

/** Until the requester ends it, or its time is over. */
function held(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = () => socket.destroy()
    const timer = setTimeout(end, limits.dialBackHoldMs)
    signal.addEventListener('abort', end)
    socket.on('error', () => {}).on('end', end).resume()
    socket.once('close', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    })
  })
}
