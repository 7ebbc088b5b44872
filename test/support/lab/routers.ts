import { isTransparent, gatewayMac, lanIpv4, lanIpv6, wanDevice, wanGatewayIpv4, wanIpv4, wanIpv6, wanMac, coreMac, routerNamespace, secondIpv4, type RouterNat, type Uplink } from './addresses.js'
import type { Answer, KernelNatSpec } from './nat-spec.js'
import { asIpv4Router, asIpv6Router, batch, heredoc, withoutIpv6 } from './shell.js'

/** The shell lines that make a namespace with `wan` and `lan` the router of an uplink. */
export function router(uplink: Uplink, customers: readonly Uplink[]): string[] {
  const nat = uplink.router as RouterNat
  return [
    ...(uplink.ipv6 ? asIpv6Router : withoutIpv6),
    ...('kernel' in nat ? asIpv4Router : []),
    batch([
      'link set lo up',
      // The external address of a user-space NAT is not the kernel's: it would answer in its own way.
      ...wanEnd(uplink, 'user' in nat),
      `address add ${lanIpv4(uplink, 1)}/24 dev lan`,
      ...(uplink.ipv6 ? [`address add ${lanIpv6(uplink, 1)}/64 dev lan nodad`] : []),
      'link set lan up',
      ...customers.map(customer => `neighbour replace ${wanIpv4(customer)} lladdr ${wanMac(customer)} dev lan nud permanent`),
    ]),
    heredoc('nft -f -', 'kernel' in nat ? [...firewall(nat.kernel.unsolicited ?? 'drop', nat.kernel.udp === 'blocked'), ...translation(nat.kernel)] : [...firewall(nat.user.tcp.unsolicited, nat.user.udp === 'blocked'), ...kernelKeepsOut(uplink)]),
  ]
}

/** What the user-space engine must know about an uplink's NAT. */
export function engineSpec(uplink: Uplink, seed: number): object {
  if (uplink.router === undefined || !('user' in uplink.router)) throw new Error(`${uplink.name} has no NAT in user space`)
  return {
    namespace: routerNamespace(uplink), inside: 'lan', outside: 'wan', outsideMac: gatewayMac(uplink),
    gateway: lanIpv4(uplink, 1), external: wanIpv4(uplink), seed: `${seed} ${uplink.index}`, ...uplink.router.user,
  }
}

/** The end of an uplink at the site. Neighbours are given, not asked for: ARP over a delayed link would add a round trip to the first connection. */
export function wanEnd(uplink: Uplink, isIpv6Only = false): string[] {
  const device = wanDevice(uplink)
  const gateway = wanGatewayIpv4(uplink)
  const ipv4 = [
    // A carrier's customers don't meet on its network: only the gateway is on-link.
    `address add ${wanIpv4(uplink)}/${uplink.behind === undefined ? 30 : 32} dev ${device}`,
    ...(uplink.hasSecondAddress ? [`address add ${secondIpv4(uplink)}/32 dev ${device}`] : []),
  ]
  const ipv4Routes = [
    ...(uplink.behind === undefined ? [] : [`route add ${gateway} dev ${device}`]),
    `neighbour replace ${gateway} lladdr ${gatewayMac(uplink)} dev ${device} nud permanent`,
    `route add default via ${gateway}`,
  ]
  return [
    ...(isIpv6Only ? [] : ipv4),
    ...(uplink.ipv6 ? [`address add ${wanIpv6(uplink, 2)}/64 dev ${device} nodad`] : []),
    linkUp(uplink, device),
    ...(isIpv6Only ? [] : ipv4Routes),
    ...(uplink.ipv6 ? [`neighbour replace ${wanIpv6(uplink, 1)} lladdr ${coreMac(uplink)} dev ${device} nud permanent`, `route add default via ${wanIpv6(uplink, 1)}`] : []),
  ]
}

/** The end of an uplink at the internet's own router. */
export function coreEnd(uplink: Uplink): string[] {
  const device = `up${uplink.index}`
  const via = `via ${wanIpv4(uplink)} dev ${device}`
  return [
    `address add ${wanGatewayIpv4(uplink)}/30 dev ${device}`,
    ...(uplink.ipv6 ? [`address add ${wanIpv6(uplink, 1)}/64 dev ${device} nodad`] : []),
    linkUp(uplink, device),
    `neighbour replace ${wanIpv4(uplink)} lladdr ${wanMac(uplink)} dev ${device} nud permanent`,
    ...(uplink.ipv6 ? [`neighbour replace ${wanIpv6(uplink, 2)} lladdr ${wanMac(uplink)} dev ${device} nud permanent`] : []),
    ...(uplink.hasSecondAddress ? [`route add ${secondIpv4(uplink)}/32 ${via}`] : []),
    ...(isTransparent(uplink) ? [`route add ${lanIpv4(uplink, 0)}/24 ${via}`] : []),
    ...(uplink.ipv6 && uplink.router !== undefined ? [`route add ${lanIpv6(uplink, '')}/64 via ${wanIpv6(uplink, 2)} dev ${device}`] : []),
  ]
}

// Lose packets, not 64 KiB frames of them.
const losesPackets = ({ wire }: Uplink): boolean => wire !== undefined && (wire.up.loss > 0 || wire.down.loss > 0)
const linkUp = (uplink: Uplink, device: string): string => `link set ${device} up${losesPackets(uplink) ? ' gso_max_segs 1' : ''}`

/** Both families; of a user-space NAT, IPv6. */
function firewall(unsolicited: Answer, isUdpBlocked: boolean): string[] {
  const answers = { drop: '', rst: ' iifname "wan" meta l4proto tcp reject with tcp reset;', icmp: ' iifname "wan" reject with icmpx type admin-prohibited;' }
  return [
    'table inet firewall {',
    // Silence is the default of RFC 5382 REQ-4. Packets conntrack can't place would leave untranslated: drop them too.
    `  chain input { type filter hook input priority filter; policy drop; iifname { "lo", "lan" } accept; ct state established,related accept; meta l4proto { icmp, ipv6-icmp } accept;${answers[unsolicited]} }`,
    '  chain forward {',
    '    type filter hook forward priority filter; policy drop; ct state invalid drop;',
    ...(isUdpBlocked ? ['    meta l4proto udp drop;'] : []),
    // The second: a full cone let it in. No answer on behalf of a carrier's customers.
    `    iifname "lan" oifname "wan" accept; ct state established,related accept; ct status dnat accept;${answers[unsolicited]}`,
    '  }',
    '}',
  ]
}

function translation({ kernel }: KernelNatSpec): string[] {
  if (kernel === 'firewall') return []
  const masquerade = `  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade${kernel === 'random' ? ' fully-random' : ''}; }`
  if (kernel !== 'full-cone') return ['table ip nat {', masquerade, '}']
  return [
    'table ip nat {',
    // Each port that is used from inside leads back to who used it last (RFC 4787 REQ-5: for 5 minutes at least), whoever calls.
    ...['tcp', 'udp'].flatMap(protocol => [
      `  map ${protocol}_ports { type inet_service : ipv4_addr; flags dynamic,timeout; size 65535; timeout 300s; }`,
      `  chain remember_${protocol} { type filter hook forward priority filter; iifname "lan" oifname "wan" update @${protocol}_ports { ${protocol} sport : ip saddr }; }`,
    ]),
    '  chain prerouting { type nat hook prerouting priority dstnat; iifname "wan" dnat to tcp dport map @tcp_ports; iifname "wan" dnat to udp dport map @udp_ports; }',
    masquerade,
    '}',
  ]
}

/** The kernel keeps its hands off IPv4, but for its own address on the LAN. */
const kernelKeepsOut = (uplink: Uplink): string[] => [
  'table ip userspace {',
  `  chain prerouting { type filter hook prerouting priority raw; policy drop; iifname "lo" accept; iifname "lan" ip daddr ${lanIpv4(uplink, 1)} accept; }`,
  '}',
]
