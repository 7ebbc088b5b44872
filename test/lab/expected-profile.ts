import type { NatProfile } from '../../src/nat/nat-profile.js'
import { claimsOf, type Claim } from '../support/lab/claims.js'
import { natKinds, type NatKindName } from '../support/lab/index.js'

type Expected = Partial<Record<keyof NatProfile, unknown>>

const mappings = { none: 'none', EIM: 'endpoint-independent', ADM: 'address-dependent', APDM: 'address-and-port-dependent' } as const
const filters = { EIF: 'endpoint-independent', ADF: 'address-dependent', APDF: 'address-and-port-dependent' } as const

/** What an enumeration has to find behind a NAT of this kind, by what the NAT claims to do. */
export function expectedOf(name: NatKindName) {
  const { tcp, udp } = claimsOf(natKinds[name].nat)
  return {
    hairpin: { tcp: hairpinOf(tcp), udp: hairpinOf(udp) },
    tcp: profileOf(tcp),
    udp: udp === null ? { blocked: true, mapping: 'unknown', classic: 'blocked' } : profileOf(udp),
  }
}

/** Where each destination has a mapping of its own nobody can tell one's own external endpoint to another. */
const hairpinOf = (claim: Claim | null): boolean | null => (claim?.mapping === 'EIM' ? claim.hairpin : null)

function profileOf(claim: Claim): Expected {
  return { blocked: false, mapping: mappings[claim.mapping], filtering: filters[claim.filtering], ...allocationOf(claim) }
}

function allocationOf({ mapping, allocation }: Claim): Pick<Expected, 'allocation' | 'delta'> {
  if (mapping === 'none') return { allocation: 'none', delta: 0 }
  if (allocation === 'preserving') return { allocation: 'equal', delta: 0 }
  // at random within the block
  if (allocation === 'random' || 'block' in allocation) return { allocation: 'random', delta: 0 }
  if ('offset' in allocation) return { allocation: 'offset', delta: allocation.offset }
  return 'sequential' in allocation ? { allocation: 'sequential', delta: allocation.sequential } : { allocation: 'dependent', delta: allocation.perPort }
}
