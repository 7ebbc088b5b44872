import { defaults } from '../config/defaults.js'
import type { Endpoint, Family } from '../protocol/endpoint.js'
import { resolveStunServer } from '../net/stun-resolve.js'

/** The configured STUN servers, as addresses. Names are looked up anew each time: networks answer differently. */
export class StunServers {
  readonly #names: readonly string[]

  /** `HOST:PORT` each, best first. */
  constructor(names: readonly string[]) {
    this.#names = [...new Set(names)]
  }

  get isEmpty(): boolean {
    return this.#names.length === 0
  }

  /** Addresses of the family: the first of every name, then the others. Rejects with why the last name failed when none has one. */
  async list(family: Family, signal: AbortSignal): Promise<readonly Endpoint[]> {
    const looked = await Promise.allSettled(this.#names.map(name => resolveStunServer(name, { timeoutMs: defaults.natProbe.listTimeoutMs, signal })))
    const found = looked.flatMap(one => (one.status === 'fulfilled' ? [one.value[family]] : []))
    const failed = looked.find(one => one.status === 'rejected')
    if (found.length === 0 && failed !== undefined) throw failed.reason
    const longest = Math.max(0, ...found.map(({ length }) => length))
    return Array.from({ length: longest }, (_, rank) => found.flatMap(endpoints => endpoints.slice(rank, rank + 1))).flat()
  }
}
