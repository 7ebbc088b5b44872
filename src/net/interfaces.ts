import { networkInterfaces } from 'node:os'
import { ThroughlineError } from '../errors/index.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import { ipScope } from '../nat/ip-scope.js'

/**
 * Addresses of the usable interfaces: up, not loopback; link-local ones only where an interface has nothing better in
 * that family. `names` limits them, and may name loopback; a name without an address, or no name, throws ERR_NO_INTERFACE.
 */
export function ownAddresses(names: readonly string[] | undefined): readonly OwnAddress[] {
  if (names?.length === 0) throw new ThroughlineError('ERR_NO_INTERFACE', 'the list of interfaces is empty')
  const all = Object.entries(networkInterfaces()).flatMap(([interfaceName, entries]) =>
    (entries ?? [])
      .filter(({ internal, cidr }) => cidr !== null && (!internal || names?.includes(interfaceName) === true))
      .map(({ address, family, cidr }): OwnAddress => ({ interfaceName, address, family: family === 'IPv6' ? 6 : 4, cidr: cidr ?? '' })))
  const missing = names?.find(name => !all.some(({ interfaceName }) => interfaceName === name))
  if (missing !== undefined) throw new ThroughlineError('ERR_NO_INTERFACE', `interface ${missing} does not exist or has no address`, { facts: { name: missing } })
  const chosen = names === undefined ? all : all.filter(({ interfaceName }) => names.includes(interfaceName))
  return chosen.filter(own => ipScope(own.address) !== 'link-local' || !hasBetter(own, chosen))
}

const hasBetter = (own: OwnAddress, all: readonly OwnAddress[]): boolean =>
  all.some(other => other.interfaceName === own.interfaceName && other.family === own.family && ipScope(other.address) !== 'link-local')

/** Whether an address, with a zone or without, is one of this machine's now. */
export function isOfThisMachine(host: string): boolean {
  const [bare = ''] = host.split('%')
  return ipScope(bare) === 'loopback' || Object.values(networkInterfaces()).some(entries => entries?.some(({ address }) => address === bare))
}
