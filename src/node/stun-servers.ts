import { defaults } from '../config/defaults.js'
import type { Endpoint, Family } from '../protocol/endpoint.js'
import { resolveStunServer } from '../net/stun-resolve.js'

const { resolveTimeoutMs, resolveGraceMs } = defaults.natProbe

/** The configured STUN servers, as addresses. Names are looked up anew each time: networks answer differently. */
export class StunServers {
  readonly #names: readonly string[]
  readonly #resolve: typeof resolveStunServer

  /** `HOST:PORT` each, best first. */
  constructor(names: readonly string[], resolve = resolveStunServer) {
    this.#names = [...new Set(names)]
    this.#resolve = resolve
  }

  get isEmpty(): boolean {
    return this.#names.length === 0
  }

  /** Addresses of the family: the first of every name, then the others. Not all names are waited for. Rejects with why the first that failed did when none is resolved. */
  async list(family: Family, signal: AbortSignal): Promise<readonly Endpoint[]> {
    const enough = new AbortController()
    const limits = { timeoutMs: resolveTimeoutMs, signal: AbortSignal.any([signal, enough.signal]) }
    let timer: NodeJS.Timeout | undefined
    let count = 0
    const looked = await Promise.allSettled(this.#names.map(async name => {
      const endpoints = await this.#resolve(name, limits)
      if (endpoints[family].length > 0 && ++count === 2) timer = setTimeout(() => enough.abort(), resolveGraceMs)
      return endpoints
    }))
    clearTimeout(timer)
    const found = looked.flatMap(one => (one.status === 'fulfilled' ? [one.value[family]] : []))
    const failed = looked.find(one => one.status === 'rejected')
    if (found.length === 0 && failed !== undefined) throw failed.reason
    const longest = Math.max(0, ...found.map(({ length }) => length))
    return Array.from({ length: longest }, (_, rank) => found.flatMap(endpoints => endpoints.slice(rank, rank + 1))).flat()
  }
}
