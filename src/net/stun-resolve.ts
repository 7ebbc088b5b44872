import { lookup, type LookupAddress } from 'node:dns'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { familyOf, parseEndpoint, type Endpoint, type Family } from '../protocol/endpoint.js'
import { bounded } from './bounded.js'
import { toDialError } from './socket-errors.js'

/**
 * Turns `HOST:PORT` or `[v6]:PORT` into the endpoints of each family, at most `stun.maxAddressesPerName` each, in the order the resolver
 * prefers; keeping them is the caller's. Rejects with ERR_SERVER_URL, ERR_DIAL_UNREACHABLE (no such name), ERR_STUN_TIMEOUT or ERR_CANCELLED.
 */
export async function resolveStunServer(server: string, { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<Readonly<Record<Family, readonly Endpoint[]>>> {
  const literal = parseEndpoint(server)
  if (literal !== undefined) return { 4: [], 6: [], [familyOf(literal.host)]: [literal] }
  const [, name = '', digits = ''] = /^([^:[\]]+):(\d{1,5})$/.exec(server) ?? []
  const port = Number(digits)
  if (name === '' || port < 1 || port > 65_535) throw new ThroughlineError('ERR_SERVER_URL', `${server} is not HOST:PORT`)
  const onTimeout = () => new ThroughlineError('ERR_STUN_TIMEOUT', `the name ${name} was not resolved in ${timeoutMs} ms`)
  const found = await bounded<readonly LookupAddress[]>({ signal, timeoutMs, what: `the look-up of ${name}`, onTimeout }, ({ resolve, reject }) => {
    // getaddrinfo cannot be stopped: an answer that comes late is dropped
    lookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(toDialError(error, name))))
    return () => {}
  })
  const of = (family: Family) =>
    found.filter(one => one.family === family).slice(0, defaults.stun.maxAddressesPerName).map(({ address }): Endpoint => ({ host: address, port }))
  return { 4: of(4), 6: of(6) }
}
