import { ThroughlineError } from '../errors/index.js'
import { parseUrlHost } from './url-host.js'

/** A TURN server as `--turn` names it: `turn:USER:PASSWORD@HOST:PORT?transport=tcp|udp`, `turns:` for TLS. Holds the password: show `formatTurnUrl` instead. */
export interface TurnUrl {
  /** Lower case; IPv6 in the form of RFC 5952, without brackets. */
  readonly host: string
  readonly port: number
  /** Of the connection to the server, and of what it relays. Default tcp. */
  readonly transport: 'tcp' | 'udp'
  readonly isTls: boolean
  readonly username: string
  readonly password: string
}

/** RFC 7065 section 3.2. */
const defaultPorts = { turn: 3478, turns: 5349 } as const

/**
 * Reads `turn:USER:PASSWORD@HOST[:PORT][?transport=tcp|udp]`. User and password may be percent-encoded, and have to be where they hold
 * a `%`; everything else may stand as it is, the last `@` ends them. The first colon ends the user; behind an expiry (`1790000000:alice:…`,
 * time-limited credentials) the last one does, since their passwords are base64. Throws ERR_SERVER_URL; its message names at most the host.
 */
export function parseTurnUrl(text: string): TurnUrl {
  const [, scheme, credentials = '', rest = ''] = /^(turns?):(?!\/\/)(.*)@([^@]*)$/s.exec(text) ?? []
  if (scheme !== 'turn' && scheme !== 'turns') throw invalid(`A TURN URL is ${form}, or the same with turns:.`)
  const [, authority = '', query] = /^([^?]*)(\?.*)?$/s.exec(rest) ?? []
  const { host, port } = parseUrlHost(authority, { kind: 'TURN URL', defaultPort: defaultPorts[scheme], invalid })
  const transport = query === undefined ? 'tcp' : /^\?transport=(tcp|udp)$/.exec(query)?.[1]
  if (transport !== 'tcp' && transport !== 'udp') throw invalid(`After the host of the TURN URL of ${host} only ?transport=tcp or ?transport=udp can follow.`)
  const isTls = scheme === 'turns'
  if (isTls && transport === 'udp') throw invalid(`The TURN URL of ${host} asks for DTLS (turns: with transport=udp), which this version does not speak: use turns: with transport=tcp.`)
  return { host, port, transport, isTls, ...parseCredentials(credentials, host) }
}

/** Writes `turn:host:port?transport=tcp` without credentials, for reports and messages. */
export const formatTurnUrl = ({ host, port, transport, isTls }: Omit<TurnUrl, 'username' | 'password'>): string =>
  `${isTls ? 'turns' : 'turn'}:${host.includes(':') ? `[${host}]` : host}:${port}?transport=${transport}`

function parseCredentials(text: string, host: string): { username: string; password: string } {
  const colon = /^\d{9,11}:/.test(text) ? text.lastIndexOf(':') : text.indexOf(':')
  if (colon < 1 || colon === text.length - 1) throw invalid(`The TURN URL of ${host} needs a user and a password: ${form}.`)
  try {
    return { username: decodeURIComponent(text.slice(0, colon)), password: decodeURIComponent(text.slice(colon + 1)) }
  } catch {
    // the cause is left out: it may quote the secret
    throw invalid(`User or password in the TURN URL of ${host} is not percent-encoded as it must be: write % as %25.`)
  }
}

const form = 'turn:USER:PASSWORD@HOST:PORT?transport=udp|tcp'

const invalid = (message: string): ThroughlineError => new ThroughlineError('ERR_SERVER_URL', message)
