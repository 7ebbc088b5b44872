import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { LabSpec, SiteSpec } from './types.js'

export interface PlannedHost {
  readonly name: string
  readonly namespace: string
  readonly ipv4: string
  readonly ipv6: string | undefined
  readonly externalIpv4: string
}

export interface Plan {
  /** Shell commands that build the lab, for a shell in fresh network and mount namespaces, with an empty /run. */
  readonly script: string
  /** How many forwarders it starts. */
  readonly forwarders: number
  readonly internet: PlannedHost
  readonly sites: readonly PlannedHost[]
}

/** One end of the internet: a host with a public address, or a router with a host behind it. */
interface Uplink {
  readonly name: string
  /** 0 is the internet host; the number is part of every address. */
  readonly index: number
  readonly nat: 'none' | 'masquerade' | 'random'
  readonly delayMs: number
  readonly loss: number
  readonly ipv6: boolean
}

const forwarder = fileURLToPath(new URL('./delay-forwarder.py', import.meta.url))
const maxSites = 62 // a /30 of 198.51.100.0/24 each, and one for the internet host
const maxDelayMs = 10_000
/** What each forwarder says once it takes packets. */
export const wiredWord = 'wired'

/** Turns a description into addresses and the commands that make them real. Pure, but for asking whether the kernel has IPv6. */
export function planLab(spec: LabSpec, seed: number, python: string): Plan {
  const names = Object.keys(spec.sites)
  if (names.length > maxSites) throw new RangeError(`a lab has at most ${maxSites} sites, not ${names.length}`)
  const hasIpv6 = existsSync('/proc/sys/net/ipv6')
  const internet: Uplink = { name: 'internet', index: 0, nat: 'none', delayMs: 0, loss: 0, ipv6: hasIpv6 }
  const sites = Object.entries(spec.sites).map(([name, site], position) => uplinkOf(name, site, position + 1, hasIpv6))
  const uplinks = [internet, ...sites]
  const wired = uplinks.filter(isWired)
  return {
    forwarders: wired.length,
    internet: plannedHost(internet),
    sites: sites.map(plannedHost),
    script: [
      ...['core', ...(wired.length > 0 ? ['wires'] : []), ...uplinks.flatMap(namespacesOf)].map(name => `ip netns add ${name}`),
      batch(uplinks.flatMap(links)),
      inside('core', core(uplinks)),
      ...(wired.length > 0 ? [inside('wires', wires(wired))] : []),
      ...uplinks.flatMap(uplink => (uplink.nat === 'none' ? [inside(hostNamespace(uplink), publicHost(uplink))] : [inside(routerNamespace(uplink), router(uplink)), inside(hostNamespace(uplink), privateHost(uplink))])),
      ...wired.map(uplink => startForwarder(uplink, seed, python)),
      awaitUp,
      ...uplinks.flatMap(endsOf).map(([namespace, device]) => `await_up ${namespace} ${device}`),
    ].join('\n'),
  }
}

function uplinkOf(name: string, site: SiteSpec, index: number, hasIpv6: boolean): Uplink {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name) || name === 'internet') throw new TypeError(`not a name for a site: ${JSON.stringify(name)}`)
  const { nat = 'none', uplinkDelayMs: delayMs = 0, uplinkLoss: loss = 0, ipv6 = hasIpv6 } = site
  if (!(delayMs >= 0 && delayMs <= maxDelayMs)) throw new RangeError(`uplinkDelayMs of ${name} is ${delayMs}, not 0 to ${maxDelayMs}`)
  if (!(loss >= 0 && loss <= 1)) throw new RangeError(`uplinkLoss of ${name} is ${loss}, not 0 to 1`)
  if (ipv6 && !hasIpv6) throw new Error(`site ${name} wants IPv6, which this machine's kernel lacks`)
  return { name, index, nat, delayMs, loss, ipv6 }
}

/** A wired uplink runs through the forwarder; without delay and loss it is a plain veth. */
const isWired = (uplink: Uplink): boolean => uplink.delayMs > 0 || uplink.loss > 0
const hostNamespace = (uplink: Uplink): string => `host-${uplink.name}`
const routerNamespace = (uplink: Uplink): string => `router-${uplink.name}`
const wanNamespace = (uplink: Uplink): string => (uplink.nat === 'none' ? hostNamespace(uplink) : routerNamespace(uplink))
const namespacesOf = (uplink: Uplink): string[] => [...new Set([wanNamespace(uplink), hostNamespace(uplink)])]

const wanIpv4 = (uplink: Uplink): string => `198.51.100.${uplink.index * 4 + 2}`
const wanGatewayIpv4 = (uplink: Uplink): string => `198.51.100.${uplink.index * 4 + 1}`
const wanIpv6 = (uplink: Uplink, end: 1 | 2): string => `2001:db8:1:${uplink.index === 0 ? '' : `${uplink.index.toString(16)}:`}:${end}`
const lanIpv4 = (uplink: Uplink, end: 1 | 2): string => `10.${uplink.index}.0.${end}`
const lanIpv6 = (uplink: Uplink, end: '' | 1 | 2): string => `2001:db8:a:${uplink.index.toString(16)}::${end}`
const mac = (uplink: Uplink, end: 1 | 2): string => `02:00:00:00:${uplink.index.toString(16).padStart(2, '0')}:0${end}`

function plannedHost(uplink: Uplink): PlannedHost {
  const { name } = uplink
  const namespace = hostNamespace(uplink)
  if (uplink.nat === 'none') return { name, namespace, ipv4: wanIpv4(uplink), ipv6: uplink.ipv6 ? wanIpv6(uplink, 2) : undefined, externalIpv4: wanIpv4(uplink) }
  return { name, namespace, ipv4: lanIpv4(uplink, 2), ipv6: uplink.ipv6 ? lanIpv6(uplink, 2) : undefined, externalIpv4: wanIpv4(uplink) }
}

function links(uplink: Uplink): string[] {
  const wan = `link add ${wanDevice(uplink)} netns ${wanNamespace(uplink)} address ${mac(uplink, 2)} type veth peer name`
  const core = `link add up${uplink.index} netns core address ${mac(uplink, 1)} type veth peer name`
  return [
    ...(isWired(uplink) ? [`${wan} in${uplink.index} netns wires`, `${core} out${uplink.index} netns wires`] : [`${wan} up${uplink.index} netns core address ${mac(uplink, 1)}`]),
    ...(uplink.nat === 'none' ? [] : [`link add lan netns ${routerNamespace(uplink)} type veth peer name eth0 netns ${hostNamespace(uplink)}`]),
  ]
}

/** Every end of every link, by namespace and device. */
function endsOf(uplink: Uplink): [namespace: string, device: string][] {
  return [
    ['core', `up${uplink.index}`],
    [wanNamespace(uplink), wanDevice(uplink)],
    ...(isWired(uplink) ? ([['wires', `in${uplink.index}`], ['wires', `out${uplink.index}`]] satisfies [string, string][]) : []),
    ...(uplink.nat === 'none' ? [] : ([[routerNamespace(uplink), 'lan'], [hostNamespace(uplink), 'eth0']] satisfies [string, string][])),
  ]
}

const wanDevice = (uplink: Uplink): string => (uplink.nat === 'none' ? 'eth0' : 'wan')

/** The internet: one router with a link of its own to everybody, so that nobody is on-link with a stranger. */
function core(uplinks: readonly Uplink[]): string[] {
  const hasIpv6 = uplinks.some(uplink => uplink.ipv6)
  return [
    ...(hasIpv6 ? asRouter : asIpv4Router),
    // An IPv4-only uplink carries no multicast of IPv6 either: the packets on it, and so those a seed loses, are the site's own.
    ...(hasIpv6 ? uplinks.filter(uplink => !uplink.ipv6).map(({ index }) => `echo 1 >/proc/sys/net/ipv6/conf/up${index}/disable_ipv6`) : []),
    batch([
      'link set lo up',
      // Addresses nobody has are silent, as most are.
      'route add blackhole default',
      ...(hasIpv6 ? ['route add blackhole ::/0'] : []),
      ...uplinks.flatMap(uplink => {
        const device = `up${uplink.index}`
        return [
          ...uplinkEnd(uplink, device, 1),
          ...(uplink.ipv6 && uplink.nat !== 'none' ? [`route add ${lanIpv6(uplink, '')}/64 via ${wanIpv6(uplink, 2)} dev ${device}`] : []),
        ]
      }),
    ]),
  ]
}

function publicHost(uplink: Uplink): string[] {
  return [...(uplink.ipv6 ? withoutDad : withoutIpv6), batch(['link set lo up', ...uplinkEnd(uplink, 'eth0', 2), ...defaultRoutes(uplink, wanGatewayIpv4(uplink), wanIpv6(uplink, 1))])]
}

function router(uplink: Uplink): string[] {
  return [
    ...(uplink.ipv6 ? asRouter : [...withoutIpv6, ...asIpv4Router]),
    batch([
      'link set lo up',
      ...uplinkEnd(uplink, 'wan', 2),
      ...defaultRoutes(uplink, wanGatewayIpv4(uplink), wanIpv6(uplink, 1)),
      `address add ${lanIpv4(uplink, 1)}/24 dev lan`,
      ...(uplink.ipv6 ? [`address add ${lanIpv6(uplink, 1)}/64 dev lan nodad`] : []),
      'link set lan up',
    ]),
    heredoc('nft -f -', [
      'table inet firewall {',
      // RFC 5382 REQ-4: an unsolicited SYN is dropped in silence. Packets conntrack can't place would leave untranslated: drop them too.
      '  chain input { type filter hook input priority filter; policy drop; iifname { "lo", "lan" } accept; ct state established,related accept; meta l4proto { icmp, ipv6-icmp } accept; }',
      '  chain forward { type filter hook forward priority filter; policy drop; ct state invalid drop; iifname "lan" oifname "wan" accept; ct state established,related accept; }',
      '}',
      'table ip nat {',
      `  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade${uplink.nat === 'random' ? ' fully-random' : ''}; }`,
      '}',
    ]),
  ]
}

function privateHost(uplink: Uplink): string[] {
  return [
    ...(uplink.ipv6 ? withoutDad : withoutIpv6),
    batch([
      'link set lo up',
      `address add ${lanIpv4(uplink, 2)}/24 dev eth0`,
      ...(uplink.ipv6 ? [`address add ${lanIpv6(uplink, 2)}/64 dev eth0 nodad`] : []),
      'link set eth0 up',
      ...defaultRoutes(uplink, lanIpv4(uplink, 1), lanIpv6(uplink, 1)),
    ]),
  ]
}

/** One end of an uplink. The neighbour is given, not asked for: ARP over a delayed link would add a round trip to the first connection. */
function uplinkEnd(uplink: Uplink, device: string, end: 1 | 2): string[] {
  const otherEnd = end === 1 ? 2 : 1
  const [ownIpv4, otherIpv4] = end === 1 ? [wanGatewayIpv4(uplink), wanIpv4(uplink)] : [wanIpv4(uplink), wanGatewayIpv4(uplink)]
  const otherMac = mac(uplink, otherEnd)
  return [
    `address add ${ownIpv4}/30 dev ${device}`,
    ...(uplink.ipv6 ? [`address add ${wanIpv6(uplink, end)}/64 dev ${device} nodad`] : []),
    // Lose packets, not 64 KiB frames of them.
    `link set ${device} up${uplink.loss > 0 ? ' gso_max_segs 1' : ''}`,
    `neighbour replace ${otherIpv4} lladdr ${otherMac} dev ${device} nud permanent`,
    ...(uplink.ipv6 ? [`neighbour replace ${wanIpv6(uplink, otherEnd)} lladdr ${otherMac} dev ${device} nud permanent`] : []),
  ]
}

function defaultRoutes(uplink: Uplink, gatewayIpv4: string, gatewayIpv6: string): string[] {
  return [`route add default via ${gatewayIpv4}`, ...(uplink.ipv6 ? [`route add default via ${gatewayIpv6}`] : [])]
}

/** The two loose ends of each wired uplink; the forwarder is the cable between them. */
function wires(uplinks: readonly Uplink[]): string[] {
  return [...withoutIpv6, batch(uplinks.flatMap(({ index }) => [`link set in${index} up`, `link set out${index} up`]))]
}

function startForwarder(uplink: Uplink, seed: number, python: string): string {
  const options = `--delay-ms ${uplink.delayMs} --loss ${uplink.loss} --seed ${seed + uplink.index} --ready ${wiredWord}`
  // -S -I: no site packages, no PYTHON* variables: starts in half the time, and the same everywhere.
  return `nsenter --net=/run/netns/wires setpriv --pdeathsig KILL ${quote(python)} -IS ${quote(forwarder)} in${uplink.index} out${uplink.index} ${options} </dev/null &`
}

// Settings of interfaces that exist but aren't up yet, so before any address is formed. Globs stay unmatched where IPv6 is missing.
const withoutDad = ['for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >"$file"; done']
const withoutIpv6 = ['for folder in /proc/sys/net/ipv6/conf/*; do case $folder in */lo|*/all|*/default|*\\*) ;; *) echo 1 >"$folder/disable_ipv6";; esac; done']
const asIpv4Router = ['echo 1 >/proc/sys/net/ipv4/ip_forward']
const asRouter = [...withoutDad, ...asIpv4Router, 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding']

// The kernel may take a second to call a new link running, and Node doesn't list an interface before. Asking for one by name (Linux 6.8)
// makes it look at once.
const awaitUp = `await_up() {
  for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    case $(ip -netns "$1" link show dev "$2") in *'state UP'*) return 0;; esac
    sleep 0.1
  done
  echo "$2 of $1 did not come up" >&2
  return 1
}`

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
const heredoc = (command: string, lines: readonly string[]): string => `${command} <<'EOF'\n${lines.join('\n')}\nEOF`
const batch = (lines: readonly string[]): string => heredoc('ip -batch -', lines)
const inside = (namespace: string, lines: readonly string[]): string => `nsenter --net=/run/netns/${namespace} sh -e <<'INSIDE'\n${lines.join('\n')}\nINSIDE`
