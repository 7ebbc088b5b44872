import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { ThroughlineError } from '../errors/index.js'
import { familyOf, type Endpoint } from '../protocol/endpoint.js'
import { bounded } from './bounded.js'

/** IANA's port for NTP. */
const defaultPort = 123

/** Reads `HOST`, `HOST:PORT`, `V6`, `[V6]` or `[V6]:PORT`; throws ERR_SERVER_URL. */
export function parseTimeServer(text: string): Endpoint {
  const [, bracketed, named, digits = String(defaultPort)] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? named ?? (isIP(text) === 6 ? text : '')
  const port = Number(digits)
  const isValid = host !== '' && host.length <= 253 && (bracketed === undefined || isIP(host) === 6) && port >= 1 && port <= 65_535
  if (!isValid) throw new ThroughlineError('ERR_SERVER_URL', `"${text.slice(0, 64)}" is not HOST or HOST:PORT`)
  return { host, port }
}

/**
 * Addresses of a host, best first, at most one of each family; an IP literal stands for itself. Rejects with
 * ERR_TIME_SERVER_UNREACHABLE or ERR_CANCELLED; the system's own look-up cannot be stopped and ends by itself then.
 */
export async function resolveTimeServer({ host, port }: Endpoint, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<readonly Endpoint[]> {
  if (isIP(host) !== 0) return [{ host, port }]
  const unreachable = (why: string, cause?: unknown) => new ThroughlineError('ERR_TIME_SERVER_UNREACHABLE', `${host} ${why}`, { cause })
  const onTimeout = () => unreachable(`was not resolved in ${timeoutMs} ms`)
  const found = await bounded<readonly string[]>({ signal, timeoutMs, what: `the look-up of ${host}`, onTimeout }, ({ resolve, reject }) => {
    lookup(host, { all: true }).then(
      addresses => resolve(addresses.map(({ address }) => address)),
      (cause: unknown) => reject(unreachable('has no address', cause)),
    )
    return () => {}
  })
  return found.filter((address, index) => found.findIndex(other => familyOf(other) === familyOf(address)) === index).map(address => ({ host: address, port }))
}
