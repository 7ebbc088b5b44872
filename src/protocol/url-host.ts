import { Address6 } from 'ip-address'
import type { ThroughlineError } from '../errors/index.js'
import { familyOf } from './endpoint.js'

/** How URLs of one kind are read. */
export interface UrlHostRules {
  /** For messages: `A <kind> needs a host name`. */
  readonly kind: string
  readonly defaultPort: number
  readonly invalid: (message: string) => ThroughlineError
}

/** Reads `host`, `host:port`, `[v6]` or `[v6]:port`; names in lower case, IPv6 in the form of RFC 5952. Throws what `invalid` makes; the message names at most the host. */
export function parseUrlHost(text: string, { kind, defaultPort, invalid }: UrlHostRules): { host: string; port: number } {
  const parts = /^(?:\[([^\]%]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const [, literal, name] = parts ?? []
  const host = literal === undefined ? name?.toLowerCase() : familyOf(literal) === 6 ? new Address6(literal).correctForm() : undefined
  if (host === undefined || (literal === undefined && !/^[a-z0-9._-]{1,253}$/.test(host))) {
    throw invalid(`A ${kind} needs a host name or an IP address (IPv6 in brackets), then perhaps a colon and a port.`)
  }
  const port = parts?.[3] === undefined ? defaultPort : Number(parts[3])
  if (port < 1 || port > 65_535) throw invalid(`The port of the ${kind} of ${host} is not 1 to 65535.`)
  return { host, port }
}
