import type { ErrorCode } from '../errors/index.js'
import type { SessionPipe } from '../streams/pipe/session-pipe.js'

/** Serves inbound pipes of a protocol. */
export interface Handler {
  readonly onPipe: (pipe: SessionPipe) => void
  readonly accept: () => true | ErrorCode
}

/** Who serves which protocol; the latest handler of a protocol counts, and the one before it when it goes. Bounded by the application. */
export class Handlers {
  readonly #byProtocol = new Map<string, Handler[]>()

  /** Adds a handler; returns what removes it. Idempotent. */
  add(protocol: string, handler: Handler): () => void {
    const handlers = this.#byProtocol.get(protocol) ?? []
    this.#byProtocol.set(protocol, handlers)
    handlers.push(handler)
    return () => {
      const index = handlers.indexOf(handler)
      if (index >= 0) handlers.splice(index, 1)
      if (handlers.length === 0 && this.#byProtocol.get(protocol) === handlers) this.#byProtocol.delete(protocol)
    }
  }

  /** Undefined: nobody serves the protocol. */
  get(protocol: string): Handler | undefined {
    return this.#byProtocol.get(protocol)?.at(-1)
  }
}
