import { isIP, isIPv6 } from 'node:net'

/** IP version of an endpoint. */
export type Family = 4 | 6

/** An IP literal (with `%zone` where link-local) and a port, 1 to 65,535. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** Writes `1.2.3.4:5` or `[v6%zone]:5`. */
export const formatEndpoint = ({ host, port }: Endpoint): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

/** Reads what `formatEndpoint` wrote; undefined for anything else, host names included. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || isIP(host) === 0 || port < 1 || port > 65_535) return undefined
  return { host, port }
}

/** The family of an IP literal. */
export const familyOf = (host: string): Family => (isIPv6(host) ? 6 : 4)
