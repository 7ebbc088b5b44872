import { Address4, Address6 } from 'ip-address'
import { familyOf } from '../protocol/endpoint.js'

/**
 * What kind of address an IP literal is, for the dial rules (docs/security.md). `external` = global, or a
 * documentation or benchmark range (labs use them); `forbidden` = multicast, broadcast, unspecified, 0/8, 240/4.
 */
export type IpScope = 'loopback' | 'link-local' | 'private' | 'external' | 'forbidden'

/** Classifies an IP literal, zone allowed. Anything not known to be usable is `forbidden`. */
export function ipScope(host: string): IpScope {
  const bare = host.split('%')[0] ?? ''
  return familyOf(bare) === 4 ? scope4(new Address4(bare)) : scope6(bare)
}

function scope4(address: Address4): IpScope {
  if (address.isLoopback()) return 'loopback'
  if (address.isLinkLocal()) return 'link-local'
  if (address.isPrivate() || address.isCGNAT()) return 'private'
  return address.isGlobal() || address.isDocumentation() || address.isBenchmarking() ? 'external' : 'forbidden'
}

function scope6(text: string): IpScope {
  const address = new Address6(text)
  if (address.isLoopback()) return 'loopback'
  if (address.isLinkLocal()) return 'link-local'
  if (address.isULA()) return 'private'
  if (address.isMulticast() || address.isUnspecified()) return 'forbidden'
  return address.isGlobal() || documentation6.some(range => address.isInSubnet(range)) ? 'external' : 'forbidden'
}

const documentation6 = [new Address6('2001:db8::/32')]

/** True when `host` lies in the prefix, e.g. `10.0.0.0/24` or `fd00::1/64`. */
export function isInPrefix(host: string, cidr: string): boolean {
  const bare = host.split('%')[0] ?? ''
  if (familyOf(bare) !== familyOf(cidr.split('/')[0] ?? '')) return false
  return familyOf(bare) === 4 ? new Address4(bare).isInSubnet(new Address4(cidr)) : new Address6(bare).isInSubnet(new Address6(cidr))
}
