import { defaults } from '../../config/defaults.js'
import { bounded } from '../bounded.js'
import type { Socket } from '../dial-socket.js'
import { endSocket } from '../end-socket.js'
import { relayError } from './turn-errors.js'
import type { TurnLimits } from './types.js'

interface Spare {
  readonly ready: Promise<Socket>
  readonly stop: AbortController
}

/** Connections opened ahead. At most `turn.maxSpares`, each for at most `turn.spareMs`. */
export class SpareSockets {
  readonly #open: (limits: TurnLimits) => Promise<Socket>
  readonly #spares = new Set<Spare>()
  readonly #over: AbortSignal

  /** `over`: all are dropped, and no more are opened. */
  constructor(open: (limits: TurnLimits) => Promise<Socket>, over: AbortSignal) {
    this.#open = open
    this.#over = over
    over.addEventListener('abort', () => [...this.#spares].forEach(spare => this.#drop(spare)), { once: true })
  }

  prepare(): void {
    if (this.#over.aborted || this.#spares.size >= defaults.turn.maxSpares) return
    const stop = new AbortController()
    const opening = this.#open({ timeoutMs: defaults.turn.spareMs, signal: stop.signal })
    const spare: Spare = { stop, ready: opening.then(socket => socket.on('error', ignore)) }
    const timer = setTimeout(() => this.#drop(spare), defaults.turn.spareMs)
    stop.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
    spare.ready.catch(() => this.#drop(spare))
    this.#spares.add(spare)
  }

  /** One, now its taker's, also when it is still on its way; undefined when there is none that works. Rejects only with ERR_CANCELLED, or ERR_RELAY_TIMEOUT. */
  async take({ timeoutMs, signal }: TurnLimits): Promise<Socket | undefined> {
    const [spare] = this.#spares
    if (spare === undefined) return undefined
    this.#spares.delete(spare)
    try {
      const socket = await bounded<Socket | undefined>(
        { signal, timeoutMs, what: 'the connection to the relay', onTimeout: () => relayError('ERR_RELAY_TIMEOUT', 'the relay', `no connection in ${timeoutMs} ms`) },
        ({ resolve }) => {
          spare.ready.then(resolve, () => resolve(undefined))
          return () => {}
        })
      // the timer, and nothing else any more
      spare.stop.abort()
      socket?.off('error', ignore)
      return socket?.destroyed === true ? undefined : socket
    } catch (error) {
      this.#drop(spare)
      throw error
    }
  }

  #drop(spare: Spare): void {
    this.#spares.delete(spare)
    spare.stop.abort()
    spare.ready.then(endSocket, ignore)
  }
}

const ignore = () => {}
