import type { KernelNatSpec, NatSpec } from './nat-spec.js'

/** A NAT by the name people would use. */
export interface NatKind {
  /** What it is, and where one meets it. */
  readonly summary: string
  readonly nat: NatSpec | KernelNatSpec
}

const symmetric = { mapping: 'APDM', filtering: 'APDF' } as const
const random = { allocation: 'random' } as const

/**
 * NATs to try software on. What a spec doesn't say is as in nat-spec.ts: a port-restricted cone that preserves ports, silent to strangers.
 * The self-test (test/lab/nat-kinds.test.ts) finds out from inside, not knowing this table, that each is what it says.
 */
export const natKinds = {
  // the kernel's own
  'masquerade': { summary: 'Linux home router: keeps the port where it can', nat: { kernel: 'masquerade' } },
  'masquerade-rst': { summary: 'the same, with REJECT: strangers get a reset', nat: { kernel: 'masquerade', unsolicited: 'rst' } },
  'masquerade-icmp': { summary: 'the same, strangers get an ICMP error', nat: { kernel: 'masquerade', unsolicited: 'icmp' } },
  'masquerade-no-udp': { summary: 'guest Wi-Fi, office: TCP only', nat: { kernel: 'masquerade', udp: 'blocked' } },
  'random': { summary: 'Linux with masquerade fully-random: another port per connection', nat: { kernel: 'random' } },
  'random-rst': { summary: 'the same, strangers get a reset', nat: { kernel: 'random', unsolicited: 'rst' } },
  'random-icmp': { summary: 'the same, strangers get an ICMP error', nat: { kernel: 'random', unsolicited: 'icmp' } },
  'full-cone': { summary: 'Linux with a full cone by nftables maps', nat: { kernel: 'full-cone' } },
  'full-cone-rst': { summary: 'the same, unused ports answer with a reset', nat: { kernel: 'full-cone', unsolicited: 'rst' } },
  'full-cone-icmp': { summary: 'the same, unused ports answer with an ICMP error', nat: { kernel: 'full-cone', unsolicited: 'icmp' } },
  'firewall': { summary: 'public addresses behind a stateful firewall (RFC 3489: symmetric UDP firewall)', nat: { kernel: 'firewall' } },
  'firewall-rst': { summary: 'the same, strangers get a reset', nat: { kernel: 'firewall', unsolicited: 'rst' } },
  'firewall-icmp': { summary: 'the same, strangers get an ICMP error', nat: { kernel: 'firewall', unsolicited: 'icmp' } },

  // one external port per socket, in the words of RFC 3489: cones
  'cone': { summary: 'full cone that draws its ports', nat: { filtering: 'EIF', ...random } },
  'cone-hairpin': { summary: 'what RFC 4787 and 5382 ask for: open, hairpin', nat: { filtering: 'EIF', hairpin: true } },
  'restricted': { summary: 'restricted cone: who was sent to may answer from any port', nat: { filtering: 'ADF', ...random } },
  'restricted-hairpin': { summary: 'restricted cone with hairpin', nat: { filtering: 'ADF', hairpin: true } },
  'restricted-rst': { summary: 'restricted cone, strangers get a reset', nat: { filtering: 'ADF', unsolicited: 'rst' } },
  'port-restricted': { summary: 'port-restricted cone that draws its ports', nat: { ...random } },
  'port-restricted-hairpin': { summary: 'port-restricted cone with hairpin', nat: { hairpin: true } },
  'port-restricted-rst': { summary: 'port-restricted cone, strangers get a reset', nat: { ...random, unsolicited: 'rst' } },
  'port-restricted-icmp': { summary: 'port-restricted cone, strangers get an ICMP error', nat: { ...random, unsolicited: 'icmp' } },
  'cone-sequential': { summary: 'external ports go up by 1', nat: { allocation: { sequential: 1 } } },
  'cone-backwards': { summary: 'external ports go down by 1', nat: { allocation: { sequential: -1 } } },
  'cone-per-port': { summary: 'the next local port gets the next external one, any other a random one', nat: { allocation: { perPort: 1 } } },
  'cone-per-port-backwards': { summary: 'the next local port gets an external one 3 below, any other a random one', nat: { allocation: { perPort: -3 } } },
  'cone-offset': { summary: 'external port = local port + 1,000', nat: { allocation: { offset: 1_000 } } },
  'cone-offset-backwards': { summary: 'external port = local port - 2,500', nat: { allocation: { offset: -2_500 } } },

  // carriers
  'carrier': { summary: 'carrier-grade NAT (RFC 6888): open, hairpin, a block of 1,024 ports per customer', nat: { filtering: 'EIF', hairpin: true, allocation: { block: 1_024 } } },
  'carrier-restricted': { summary: 'the same, port-restricted, blocks of 256', nat: { allocation: { block: 256 } } },
  'carrier-symmetric': { summary: 'symmetric, blocks of 512, as mobile networks do', nat: { ...symmetric, allocation: { block: 512 } } },

  // one external port per remote host
  'address-dependent': { summary: 'another port per remote address, at random; who was sent to may answer', nat: { mapping: 'ADM', filtering: 'ADF', ...random } },
  'address-dependent-sequential': { summary: 'another port per remote address, up by 1', nat: { mapping: 'ADM', allocation: { sequential: 1 } } },
  'address-dependent-rst': { summary: 'another port per remote address, at random; strangers get a reset', nat: { mapping: 'ADM', ...random, unsolicited: 'rst' } },

  // one external port per connection
  'symmetric': { summary: 'symmetric, ports drawn: the hard case', nat: { ...symmetric, ...random } },
  'symmetric-rst': { summary: 'the same, strangers get a reset', nat: { ...symmetric, ...random, unsolicited: 'rst' } },
  'symmetric-icmp': { summary: 'the same, strangers get an ICMP error', nat: { ...symmetric, ...random, unsolicited: 'icmp' } },
  'symmetric-sequential': { summary: 'symmetric, ports go up by 1', nat: { ...symmetric, allocation: { sequential: 1 } } },
  'symmetric-sequential-2': { summary: 'symmetric, ports go up by 2 (pairs for RTP and RTCP)', nat: { ...symmetric, allocation: { sequential: 2 } } },
  'symmetric-sequential-rst': { summary: 'symmetric, ports go up by 1, strangers get a reset', nat: { ...symmetric, allocation: { sequential: 1 }, unsolicited: 'rst' } },
  'symmetric-backwards': { summary: 'symmetric, ports go down by 1', nat: { ...symmetric, allocation: { sequential: -1 } } },
  'symmetric-backwards-5': { summary: 'symmetric, ports go down by 5', nat: { ...symmetric, allocation: { sequential: -5 } } },
  'symmetric-busy': { summary: 'symmetric, ports go up by 1, and other hosts take 50 a second', nat: { ...symmetric, allocation: { sequential: 1 }, othersPerS: 50 } },
  'symmetric-per-port': { summary: 'symmetric; the next local port gets the next external one, any other a random one', nat: { ...symmetric, allocation: { perPort: 1 } } },
  'symmetric-preserving': { summary: 'the first connection of a socket keeps its port, the next get the next free ones', nat: { ...symmetric } },
  'symmetric-open': { summary: 'another port per connection, but open to anybody', nat: { mapping: 'APDM', filtering: 'EIF', ...random } },
  'symmetric-restricted': { summary: 'another port per connection; who was sent to may answer from any port', nat: { mapping: 'APDM', filtering: 'ADF', ...random } },
  'symmetric-few-ports': { summary: 'symmetric with 256 external ports', nat: { ...symmetric, ...random, ports: [40_000, 40_255] } },

  // TCP and UDP apart
  'tcp-symmetric': { summary: 'TCP symmetric, UDP a port-restricted cone', nat: { tcp: { ...symmetric, ...random } } },
  'udp-symmetric': { summary: 'UDP symmetric, TCP a port-restricted cone', nat: { udp: { ...symmetric, ...random } } },
  'tcp-open': { summary: 'TCP open to anybody, UDP port-restricted, both random', nat: { ...random, tcp: { filtering: 'EIF' } } },
  'cone-no-udp': { summary: 'TCP as a port-restricted cone, no UDP', nat: { ...random, udp: 'blocked' } },

  // memory
  'fragile': { summary: 'a reset on one connection ends the mapping for all', nat: { tcp: { rstEndsMapping: true } } },
  'fragile-rst': { summary: 'the same, and strangers get a reset', nat: { unsolicited: 'rst', tcp: { rstEndsMapping: true } } },
  'forgetful': { summary: 'forgets UDP and idle connections after 2 s', nat: { ...random, udp: { idleS: 2 }, tcp: { establishedS: 2 } } },
} as const satisfies Readonly<Record<string, NatKind>>

export type NatKindName = keyof typeof natKinds

export const natKindNames = Object.keys(natKinds) as NatKindName[]

/** A kind by its name; undefined if there is none. */
export const natKind = (name: string): NatKind | undefined => (natKinds as Readonly<Record<string, NatKind>>)[name]
