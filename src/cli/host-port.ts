import { isIPv6 } from 'node:net'

/** A TCP target or bind address as people write it. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

const hostName = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?$/i

/** Whether the text is a host name or an IP literal (IPv6 without brackets). */
export const isHost = (text: string): boolean => text.length <= 253 && (hostName.test(text) || isIPv6(text))

/** A port in decimal; undefined for anything that is none, 0 included unless `anyPort`. */
export function parsePort(text: string, { anyPort = false } = {}): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : undefined
  return port !== undefined && port <= 65_535 && (port > 0 || anyPort) ? port : undefined
}

/** Reads `host:port` and `[v6]:port`; undefined for anything else. */
export function parseHostPort(text: string, options: { anyPort?: boolean } = {}): HostPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text)
  const [, bracketed, bare, digits] = match ?? []
  const port = parsePort(digits ?? '', options)
  if (port === undefined) return undefined
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed.toLowerCase(), port } : undefined
  return bare !== undefined && isHost(bare) ? { host: bare.toLowerCase(), port } : undefined
}

/** Writes what `parseHostPort` reads. */
export const formatHostPort = ({ host, port }: HostPort): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

/** Name of the reserved protocol for one forwarded target (docs/cli.md); both sides write the target the same way. */
export const forwardProtocol = (target: HostPort): string => `tl/forward/1 ${formatHostPort(target)}`
