/** Which external port a socket gets (RFC 4787 section 4.1): one for all destinations, one per address, or one per address and port. */
export type Mapping = 'EIM' | 'ADM' | 'APDM'

/** Who may send to an external port (RFC 4787 section 5): anybody, hosts that were sent to, or endpoints that were sent to. */
export type Filtering = 'EIF' | 'ADF' | 'APDF'

/** What comes back to a SYN nobody asked for; `icmp` is "administratively prohibited", EHOSTUNREACH to the caller. */
export type Answer = 'drop' | 'rst' | 'icmp'

/**
 * How external ports are chosen. A port is never given to two mappings of one protocol; where the wanted one is taken, it is the next free
 * one. `preserving`: the local port. `offset`: the local port plus a constant. `sequential`: the last one given plus a delta (any sign).
 * `perPort`: the last one given plus a delta where the local port is the one after the last local port, else a random one (per host).
 * `block`: each host gets a block of so many ports at a time (RFC 7422), at random within it. `random`: any free one.
 */
export type Allocation = 'preserving' | 'random' | { readonly offset: number } | { readonly sequential: number } | { readonly perPort: number } | { readonly block: number }

/** How a NAT treats one protocol. */
export interface Behaviour {
  /** Default EIM. */
  readonly mapping: Mapping
  /** Default APDF. */
  readonly filtering: Filtering
  /** Default preserving. */
  readonly allocation: Allocation
  /** Default drop. Of UDP, `rst` means drop. */
  readonly unsolicited: Answer
  /** Whether hosts inside reach each other by external endpoints (RFC 4787 REQ-9). Default false. */
  readonly hairpin: boolean
  /** Other hosts' mappings per second that move the counters of `sequential` (drawn from the seed, no packets). Default 0. */
  readonly othersPerS: number
}

export interface UdpBehaviour extends Behaviour {
  /** Without a packet in either direction the mapping ends. Default 120 (RFC 4787 REQ-5). */
  readonly idleS: number
}

export interface TcpBehaviour extends Behaviour {
  /** Whether an RST, of either side, ends the mapping with all its connections instead of its own connection. Default false. */
  readonly rstEndsMapping: boolean
  /** A connection that isn't open yet, or half closed. Default 240 (RFC 5382 REQ-5). */
  readonly transitoryS: number
  /** An open one on which nothing moves. Default 7,440 (RFC 5382 REQ-5). */
  readonly establishedS: number
  /** After a reset or both FINs. Default 10. */
  readonly closedS: number
}

/** A NAT in user space: everything can be chosen, for TCP and UDP apart. IPv4; IPv6 is routed by the kernel behind a stateful firewall. */
export interface NatSpec extends Partial<Behaviour> {
  readonly tcp?: Partial<TcpBehaviour>
  readonly udp?: Partial<UdpBehaviour> | 'blocked'
  /** The external ports, first and last. Default 1024 to 65,535. */
  readonly ports?: readonly [first: number, last: number]
}

/**
 * A NAT of the kernel (nftables, conntrack). `masquerade`: keeps the local port where it can. `random`: draws a port per connection.
 * `full-cone`: keeps the port, and lets everybody in by it from then on. `firewall`: translates nothing, the site has public addresses, but
 * nothing comes in unasked.
 */
export interface KernelNatSpec {
  readonly kernel: 'masquerade' | 'random' | 'full-cone' | 'firewall'
  /** Default drop. */
  readonly unsolicited?: Answer
  readonly udp?: 'blocked'
}

/** A user-space NAT with nothing left open, as the engine wants it. */
export interface UserNat {
  readonly tcp: TcpBehaviour
  readonly udp: UdpBehaviour | 'blocked'
  readonly ports: readonly [first: number, last: number]
}

const defaults = {
  mapping: 'EIM', filtering: 'APDF', allocation: 'preserving', unsolicited: 'drop', hairpin: false, othersPerS: 0,
  ports: [1024, 65_535],
  // RFC 4787 REQ-5, RFC 5382 REQ-5; closedS is netfilter's
  udp: { idleS: 120 },
  tcp: { rstEndsMapping: false, transitoryS: 240, establishedS: 7_440, closedS: 10 },
} as const

export const isKernelNat = (nat: NatSpec | KernelNatSpec): nat is KernelNatSpec => 'kernel' in nat

/** Fills in what a spec leaves out, and checks it; throws a TypeError or RangeError that names the field. */
export function userNatOf(spec: NatSpec): UserNat {
  const { tcp, udp, ports = defaults.ports, ...both } = spec
  const { ports: _ports, udp: udpDefaults, tcp: tcpDefaults, ...shared } = defaults
  const behaviour = { ...shared, ...both }
  const nat: UserNat = { ports, tcp: { ...tcpDefaults, ...behaviour, ...tcp }, udp: udp === 'blocked' ? udp : { ...udpDefaults, ...behaviour, ...udp } }
  if (!(ports.length === 2 && isInteger(ports[0], 1, 65_535) && isInteger(ports[1], ports[0], 65_535))) throw new RangeError(`ports is ${JSON.stringify(ports)}, not [first, last]`)
  check(nat.tcp, Object.keys({ ...shared, ...tcpDefaults }), ports)
  if (nat.udp !== 'blocked') check(nat.udp, Object.keys({ ...shared, ...udpDefaults }), ports)
  return nat
}

const choices: Readonly<Record<string, readonly string[]>> = {
  mapping: ['EIM', 'ADM', 'APDM'],
  filtering: ['EIF', 'ADF', 'APDF'],
  unsolicited: ['drop', 'rst', 'icmp'],
}

function check(behaviour: TcpBehaviour | UdpBehaviour, known: readonly string[], [first, last]: readonly [number, number]): void {
  for (const [field, value] of Object.entries(behaviour) as [string, unknown][]) {
    const wanted = choices[field]
    if (!known.includes(field)) throw new TypeError(`a NAT has no ${field} here; known are ${known.join(', ')}`)
    if (wanted?.includes(String(value)) === false) throw new TypeError(`${field} is ${JSON.stringify(value)}, not ${wanted.join(', ')}`)
    if (field.endsWith('S') && !(typeof value === 'number' && value >= 0 && value < 1e6)) throw new RangeError(`${field} is ${JSON.stringify(value)}, not seconds or a rate`)
    if ((field === 'hairpin' || field === 'rstEndsMapping') && typeof value !== 'boolean') throw new TypeError(`${field} is ${JSON.stringify(value)}, not true or false`)
  }
  const { allocation } = behaviour
  if (allocation === 'preserving' || allocation === 'random') return
  const [[kind, amount], ...more] = typeof allocation === 'object' && allocation !== null ? (Object.entries(allocation) as [[string, number], ...[string, number][]]) : [['', 0] as const]
  if (!['offset', 'sequential', 'perPort', 'block'].includes(kind) || more.length > 0) throw new TypeError(`allocation is ${JSON.stringify(allocation)}; see Allocation`)
  const count = last - first + 1
  if (!isInteger(amount, kind === 'block' ? 1 : -count, count) || amount === 0) throw new RangeError(`${kind} is ${amount}, with ${count} ports`)
}

const isInteger = (value: unknown, min: number, max: number): boolean => Number.isInteger(value) && (value as number) >= min && (value as number) <= max
