/** An IPv4 address as it is, also where a socket of both families calls it ::ffff:1.2.3.4. */
export const unmapped = (host: string): string => host.replace(/^::ffff:(?=[\d.]+$)/i, '')

/** A bound address; undefined for a wildcard, behind which any address of the machine may be. */
export const knownHost = (host: string | undefined): string | undefined => (host === '0.0.0.0' || host === '::' ? undefined : host)
