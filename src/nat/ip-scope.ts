import { Address4, Address6 } from 'ip-address'
import { familyOf, formatEndpoint, parseEndpoint } from '../protocol/endpoint.js'

/**
 * What kind of address an IP literal is, for the dial rules (docs/security.md). `external` = global, or a documentation or
 * benchmark range (labs use them); `forbidden` = multicast, broadcast, unspecified, 0/8, 240/4, and whatever else is
 * not known to lead to a host of its own.
 */
export type IpScope = 'loopback' | 'link-local' | 'private' | 'external' | 'forbidden'

/** Classifies an IP literal, zone allowed; never throws. Anything not known to be usable, host names included, is `forbidden`. */
export function ipScope(host: string): IpScope {
  const bare = withoutZone(host)
  if (!isLiteral(bare)) return 'forbidden'
  return familyOf(bare) === 4 ? scope4(new Address4(bare)) : scope6(new Address6(bare))
}

/** The address library takes more than literals, and throws for the rest. */
const isLiteral = (host: string): boolean => parseEndpoint(formatEndpoint({ host, port: 1 })) !== undefined

function scope4(address: Address4): IpScope {
  if (address.isLoopback()) return 'loopback'
  if (address.isLinkLocal()) return 'link-local'
  if (address.isPrivate() || address.isCGNAT()) return 'private'
  return address.isGlobal() || address.isDocumentation() || address.isBenchmarking() ? 'external' : 'forbidden'
}

/** Addresses that carry an IPv4 address must not lead past the rules for that one. */
function scope6(address: Address6): IpScope {
  if (address.isInSubnet(loopback6)) return 'loopback'
  if (address.isInSubnet(mapped)) return 'forbidden'
  if (address.isInSubnet(nat64)) return scope4(address.to4()) === 'external' ? 'external' : 'forbidden'
  if (address.isLinkLocal()) return 'link-local'
  if (address.isULA()) return 'private'
  if (address.isMulticast() || address.isUnspecified()) return 'forbidden'
  return address.isGlobal() || address.isInSubnet(documentation6) ? 'external' : 'forbidden'
}

const loopback6 = new Address6('::1/128')
/** RFC 4291 section 2.5.5.2. */
const mapped = new Address6('::ffff:0:0/96')
/** RFC 6052 section 3.1: only for global IPv4 addresses. */
const nat64 = new Address6('64:ff9b::/96')
/** RFC 3849. */
const documentation6 = new Address6('2001:db8::/32')

/** True when `host` lies in the prefix, e.g. `10.0.0.0/24` or `fd00::1/64`; false across families. Throws for what is no IP literal. */
export function isInPrefix(host: string, cidr: string): boolean {
  const bare = withoutZone(host)
  if (familyOf(bare) !== familyOf(cidr.split('/')[0] ?? '')) return false
  return familyOf(bare) === 4 ? new Address4(bare).isInSubnet(new Address4(cidr)) : new Address6(bare).isInSubnet(new Address6(cidr))
}

/** True for the address that reaches every host of an IPv4 prefix at once (RFC 919); /31 and /32 have none. */
export function isBroadcastOf(host: string, cidr: string): boolean {
  if (familyOf(host) !== 4 || familyOf(cidr.split('/')[0] ?? '') !== 4) return false
  const prefix = new Address4(cidr)
  return prefix.subnetMask < 31 && prefix.endAddress().correctForm() === host
}

const withoutZone = (host: string): string => host.split('%')[0] ?? ''
