import { isKernelNat, userNatOf, type Behaviour, type KernelNatSpec, type NatSpec } from './nat-spec.js'

/** What a NAT says it does with one protocol. */
export interface Claim extends Omit<Behaviour, 'mapping'> {
  /** `none`: it translates nothing. */
  readonly mapping: Behaviour['mapping'] | 'none'
  /** An idle UDP mapping or TCP connection is forgotten after so long; undefined of the kernel's, which remember for minutes. */
  readonly idleS: number | undefined
  /** Of TCP. */
  readonly rstEndsMapping: boolean
  /** How many external ports there are to choose from. */
  readonly portCount: number
}

/** `udp` is null where it is blocked. */
export interface Claims {
  readonly tcp: Claim
  readonly udp: Claim | null
}

/** What a NAT claims to be. */
export const claimsOf = (nat: NatSpec | KernelNatSpec): Claims => (isKernelNat(nat) ? kernelClaims(nat) : userClaims(nat))

function userClaims(spec: NatSpec): Claims {
  const { tcp, udp, ports } = userNatOf(spec)
  const portCount = ports[1] - ports[0] + 1
  return { tcp: { ...tcp, idleS: tcp.establishedS, portCount }, udp: udp === 'blocked' ? null : { ...udp, rstEndsMapping: false, portCount } }
}

/** Of masquerading: ports below 1,024 are not drawn. */
const kernelPorts = 64_512

function kernelClaims({ kernel, unsolicited = 'drop', udp }: KernelNatSpec): Claims {
  const common = { unsolicited, hairpin: false, othersPerS: 0, idleS: undefined, rstEndsMapping: false, portCount: kernelPorts }
  const claim = {
    masquerade: { mapping: 'EIM', filtering: 'APDF', allocation: 'preserving' },
    random: { mapping: 'APDM', filtering: 'APDF', allocation: 'random' },
    'full-cone': { mapping: 'EIM', filtering: 'EIF', allocation: 'preserving' },
    firewall: { mapping: 'none', filtering: 'APDF', allocation: 'preserving' },
  } as const satisfies Record<KernelNatSpec['kernel'], Partial<Claim>>
  return { tcp: { ...common, ...claim[kernel] }, udp: udp === 'blocked' ? null : { ...common, ...claim[kernel] } }
}
