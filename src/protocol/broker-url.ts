import { ThroughlineError } from '../errors/index.js'
import { parseUrlHost } from './url-host.js'

/** Where and how a broker is reached. Holds the password, if any: show `formatBrokerUrl` instead. */
export interface BrokerUrl {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss'
  /** Lower case; IPv6 in the form of RFC 5952, without brackets. */
  readonly host: string
  readonly port: number
  /** Of WebSockets: empty, or begins with a slash. */
  readonly path: string
  readonly username?: string
  readonly password?: string
}

/** IANA's ports for MQTT, and those of HTTP for WebSockets. */
const defaultPorts = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 } as const
const isScheme = (text: string): text is BrokerUrl['scheme'] => Object.hasOwn(defaultPorts, text)

/**
 * Reads `scheme://[user[:password]@]host[:port][/path]`; user and password may be percent-encoded. Throws ERR_BROKER_URL;
 * its message names at most the host, since anything else in a mistyped URL may be a secret.
 */
export function parseBrokerUrl(text: string): BrokerUrl {
  const parts = /^([^:/@]{1,16}):\/\/([^/]*)(\/.*)?$/s.exec(text)
  const scheme = parts?.[1]?.toLowerCase()
  if (scheme === undefined || !isScheme(scheme)) throw invalid('A broker URL begins with mqtt://, mqtts://, ws:// or wss://.')
  const authority = parts?.[2] ?? ''
  const at = authority.lastIndexOf('@')
  const { host, port } = parseUrlHost(authority.slice(at + 1), { kind: 'broker URL', defaultPort: defaultPorts[scheme], invalid })
  const path = parts?.[3] === '/' ? '' : (parts?.[3] ?? '')
  if (path !== '' && !scheme.startsWith('ws')) throw invalid(`The broker URL of ${host} has a path, which only ws:// and wss:// know.`)
  if (!/^[!-~]*$/.test(path) || /[?#@]/.test(path)) throw invalid(`The path of the broker URL of ${host} has a character that cannot occur.`)
  return { scheme, host, port, path, ...(at < 0 ? {} : parseUser(authority.slice(0, at), host)) }
}

/** Writes `scheme://host:port[/path]`: lower-case host, IPv6 in brackets, never credentials. */
export const formatBrokerUrl = ({ scheme, host, port, path }: BrokerUrl): string =>
  `${scheme}://${host.includes(':') ? `[${host.toLowerCase()}]` : host.toLowerCase()}:${port}${path}`

/** Tells whether two URLs lead to the same broker; credentials do not count. */
export const isSameBroker = (a: BrokerUrl, b: BrokerUrl): boolean => formatBrokerUrl(a) === formatBrokerUrl(b)

function parseUser(text: string, host: string): { username: string; password?: string } {
  const colon = text.indexOf(':')
  try {
    if (colon < 0) return { username: decodeURIComponent(text) }
    return { username: decodeURIComponent(text.slice(0, colon)), password: decodeURIComponent(text.slice(colon + 1)) }
  } catch {
    // The cause is left out: it may quote the secret.
    throw invalid(`User or password in the broker URL of ${host} is not percent-encoded as it must be: write % as %25.`)
  }
}

const invalid = (message: string): ThroughlineError => new ThroughlineError('ERR_BROKER_URL', message)
