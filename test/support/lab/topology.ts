import { fileURLToPath } from 'node:url'
import { coreMac, lanIpv4, lanIpv6, lanMac, routerNamespace, wanDevice, wanMac, wanNamespace, type Member, type Uplink } from './addresses.js'
import { modelOf, type LanHost, type Model } from './model.js'
import { coreEnd, engineSpec, router, wanEnd } from './routers.js'
import { asIpv4Router, asIpv6Router, awaitUp, batch, heredoc, inside, quote, withoutDad, withoutIpv6 } from './shell.js'
import type { LabSpec } from './types.js'

export interface Plan extends Model {
  /** Shell commands that build the lab, for a shell in fresh network and mount namespaces, with an empty /run. */
  readonly script: string
  /** How many helpers it starts, each of which says `readyWord` once it takes packets. */
  readonly helpers: number
}

export const readyWord = 'takes packets'

const wiresProgram = fileURLToPath(new URL('./engine/wires.py', import.meta.url))
const natProgram = fileURLToPath(new URL('./engine/nat-engine.py', import.meta.url))
/** Two, so that the two wires of one path don't wait for each other. */
const maxWireProcesses = 2

/** Turns a description into addresses and the commands that make them real. */
export function planLab(spec: LabSpec, seed: number, python: string): Plan {
  const model = modelOf(spec)
  const { uplinks, lanHosts } = model
  const wired = uplinks.filter(({ wire }) => wire !== undefined)
  const engineSpecs = uplinks.filter(({ router: nat }) => nat !== undefined && 'user' in nat).map(uplink => engineSpec(uplink, seed))
  const wireProcesses = Math.min(wired.length, maxWireProcesses)
  const bridges = uplinks.filter(isBridged)
  return {
    ...model,
    helpers: wireProcesses + (engineSpecs.length > 0 ? 1 : 0),
    script: [
      ...['core', ...(wired.length > 0 ? ['wires'] : []), ...(bridges.length > 0 ? ['switch'] : []), ...namespacesOf(model)].map(name => `ip netns add ${name}`),
      batch(uplinks.flatMap(links)),
      inside('core', core(uplinks)),
      ...(wired.length > 0 ? [inside('wires', [...withoutIpv6, batch(wired.flatMap(({ index }) => [`link set in${index} up`, `link set out${index} up`]))])] : []),
      ...(bridges.length > 0 ? [inside('switch', switches(bridges, uplinks))] : []),
      ...uplinks.map(uplink => inside(wanNamespace(uplink), uplink.router === undefined ? publicHost(uplink) : router(uplink, customersOf(uplink, uplinks)))),
      ...lanHosts.map(host => inside(host.namespace, lanHost(host))),
      ...Array.from({ length: wireProcesses }, (_, position) => startWires(wired.filter((_uplink, index) => index % wireProcesses === position), seed, python)),
      ...(engineSpecs.length > 0 ? [startEngine(engineSpecs, python)] : []),
      awaitUp,
      ...uplinks.flatMap(uplink => endsOf(uplink)).map(([namespace, device]) => `await_up ${namespace} ${device}`),
    ].join('\n'),
  }
}

const namespacesOf = ({ uplinks, lanHosts }: Model): string[] => [...new Set([...uplinks.map(wanNamespace), ...lanHosts.map(({ namespace }) => namespace)])]
const customersOf = (carrier: Uplink, uplinks: readonly Uplink[]): Uplink[] => uplinks.filter(({ behind }) => behind?.carrier === carrier)
/** A LAN of one host is a plain veth. */
const isBridged = ({ isCarrier, members }: Uplink): boolean => isCarrier || members.length > 1
const bridge = ({ index }: Uplink): string => `b${index}`

type End = readonly [namespace: string, device: string, mac?: string]
const wanTop = (uplink: Uplink): End => (uplink.behind === undefined ? ['core', `up${uplink.index}`, coreMac(uplink)] : ['switch', `${bridge(uplink.behind.carrier)}c${uplink.index}`])
const wanBottom = (uplink: Uplink): End => [wanNamespace(uplink), wanDevice(uplink), wanMac(uplink)]
const lanTop = (uplink: Uplink): End => [routerNamespace(uplink), 'lan', lanMac(uplink)]
const lanPort = (uplink: Uplink, end: 'r' | Member): End => ['switch', `${bridge(uplink)}${end === 'r' ? 'r' : `m${end.position}`}`]

/** The pairs of interfaces that an uplink and its LAN are made of. */
function pairsOf(uplink: Uplink): (readonly [End, End])[] {
  const { index, wire, router: nat, members } = uplink
  const wan: (readonly [End, End])[] = wire === undefined ? [[wanBottom(uplink), wanTop(uplink)]] : [[wanBottom(uplink), ['wires', `in${index}`]], [wanTop(uplink), ['wires', `out${index}`]]]
  if (nat === undefined) return wan
  const hosts = members.map((member): [End, Member] => [[member.namespace, member.device], member])
  return [...wan, ...(isBridged(uplink) ? [[lanTop(uplink), lanPort(uplink, 'r')] as const] : []), ...hosts.map(([host, member]) => [host, isBridged(uplink) ? lanPort(uplink, member) : lanTop(uplink)] as const)]
}

function links(uplink: Uplink): string[] {
  const named = ([namespace, device, mac]: End): string => `${device} netns ${namespace}${mac === undefined ? '' : ` address ${mac}`}`
  return pairsOf(uplink).map(([one, other]) => `link add ${named(one)} type veth peer name ${named(other)}`)
}

const endsOf = (uplink: Uplink): End[] => pairsOf(uplink).flat()

/** The internet: one router with a link of its own to everybody, so that nobody is on-link with a stranger. */
function core(uplinks: readonly Uplink[]): string[] {
  const direct = uplinks.filter(({ behind }) => behind === undefined)
  const hasIpv6 = direct.some(uplink => uplink.ipv6)
  return [
    ...asIpv4Router,
    ...(hasIpv6 ? asIpv6Router : []),
    // An IPv4-only uplink carries no multicast of IPv6 either: the packets on it, and so those a seed loses, are the site's own.
    ...(hasIpv6 ? direct.filter(uplink => !uplink.ipv6).map(({ index }) => `echo 1 >/proc/sys/net/ipv6/conf/up${index}/disable_ipv6`) : []),
    // Addresses nobody has are silent, as most are.
    batch(['link set lo up', 'route add blackhole default', ...(hasIpv6 ? ['route add blackhole ::/0'] : []), ...direct.flatMap(coreEnd)]),
  ]
}

/** All bridges, in a namespace of their own: netfilter would take what crosses them for traffic of a router. A carrier keeps its customers apart. */
function switches(bridged: readonly Uplink[], uplinks: readonly Uplink[]): string[] {
  return [
    ...withoutIpv6,
    batch(
      bridged.flatMap(uplink => {
        const ports = [lanPort(uplink, 'r')[1], ...uplink.members.map(member => lanPort(uplink, member)[1])]
        const customers = customersOf(uplink, uplinks).map(customer => wanTop(customer)[1])
        return [
          `link add ${bridge(uplink)} type bridge`,
          `link set ${bridge(uplink)} addrgenmode none up`,
          ...[...ports, ...customers].map(port => `link set ${port} master ${bridge(uplink)} up`),
          ...customers.map(port => `link set ${port} type bridge_slave isolated on`),
        ]
      }),
    ),
  ]
}

const publicHost = (uplink: Uplink): string[] => [...(uplink.ipv6 ? withoutDad : withoutIpv6), batch(['link set lo up', ...wanEnd(uplink)])]

/** A host behind one router or several. Of several, an address is of use only if its packets leave by its own uplink: `ip rule from`. */
function lanHost({ attachments, hasSourceRouting }: LanHost): string[] {
  const interfaces = attachments.map(({ uplink, member: { device, position } }, order) => ({
    device,
    order,
    families: [
      { own: lanIpv4(uplink, position), bits: '24', gateway: lanIpv4(uplink, 1), ip: 'ip' },
      ...(uplink.ipv6 ? [{ own: lanIpv6(uplink, position), bits: '64', gateway: lanIpv6(uplink, 1), ip: 'ip -6' }] : []),
    ],
  }))
  return [
    ...(attachments.some(({ uplink }) => uplink.ipv6) ? withoutDad : withoutIpv6),
    batch([
      'link set lo up',
      ...interfaces.flatMap(({ device, order, families }) => [
        ...families.map(({ own, bits }) => `address add ${own}/${bits} dev ${device}`),
        `link set ${device} up`,
        ...families.map(({ gateway }) => `route add default via ${gateway} dev ${device}${order === 0 ? '' : ` metric ${2_000 + order}`}`),
      ]),
    ]),
    // No lines of `ip -batch`: those have no options.
    ...(hasSourceRouting ? interfaces.slice(1).flatMap(({ device, order, families }) => families.flatMap(({ own, gateway, ip }) => [`${ip} rule add from ${own} table ${100 + order}`, `${ip} route add default via ${gateway} dev ${device} table ${100 + order}`])) : []),
  ]
}

// -S -I -B: no site packages, no PYTHON* variables, no files written: starts in half the time, and the same everywhere.
const helper = (namespace: string, python: string, program: string): string => `nsenter --net=/run/netns/${namespace} setpriv --pdeathsig KILL ${quote(python)} -ISB ${quote(program)} --ready ${quote(readyWord)}`

/** The cables between the two loose ends of each wired uplink. */
function startWires(uplinks: readonly Uplink[], seed: number, python: string): string {
  const wires = uplinks.map(({ index, wire }) => {
    const { up, down } = wire as Exclude<typeof wire, undefined>
    return { ends: [`in${index}`, `out${index}`], delayMs: [up.delayMs, down.delayMs], jitterMs: [up.jitterMs, down.jitterMs], loss: [up.loss, down.loss], seed: seed + index }
  })
  return `${helper('wires', python, wiresProgram)} ${quote(JSON.stringify(wires))} </dev/null &`
}

const startEngine = (specs: readonly object[], python: string): string => heredoc(helper('core', python, natProgram), [JSON.stringify(specs)], ' &')
