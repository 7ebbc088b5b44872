import { defaults } from '../../config/defaults.js'
import { codes } from '../../errors/index.js'
import { compatibility } from '../../nat/nat-compatibility.js'
import type { NetworkInterface } from '../../node/types.js'
import { showMs } from '../describe.js'
import { hasNat, isDead, isKnown, nameOf, type Findings } from './findings.js'

const { clockToleranceMs } = defaults.signalling

/** What would make more peers reachable, most useful first; one sentence or two each. Empty when there is nothing to do. */
export function adviceFor(findings: Findings): readonly string[] {
  const { interfaces } = findings.summary
  if (interfaces.length === 0) return ['Connect this machine to a network; `ip address` lists its interfaces.']
  return [...interfaces.flatMap(interfaceAdvice), ...relayAdvice(findings), ...stunAdvice(findings), ...brokerAdvice(findings), ...clockAdvice(findings)]
}

function interfaceAdvice(one: NetworkInterface): readonly string[] {
  const { tcp, udp, cgnatSuspected, local } = one
  const advice: string[] = []
  if (tcp.blocked) advice.push('Let TCP out: pipes are TCP. Some public STUN servers have no TCP, so ask another one with --stun first.')
  if (udp.blocked) advice.push('Let UDP out if you can: time servers are asked by it. Pipes do without.')
  if (tcp.mapping === 'none' && (tcp.filtering === 'address-dependent' || tcp.filtering === 'address-and-port-dependent')) {
    advice.push('Open a TCP port of your choice in the firewall and listen on it with --listen-port: then every peer can dial this machine.')
  }
  if (hasNat(tcp) && cgnatSuspected) {
    advice.push('Ask the provider for IPv6, or an IPv4 address that is not shared: behind CGNAT a port forwarded in your own router leads nowhere.')
  } else if (hasNat(tcp)) {
    advice.push(`A TCP port that the router forwards to ${local} lets every peer dial this machine (--listen-port); addresses of this version do not name such a port yet.`)
  }
  return advice.map(text => `${nameOf(one)}: ${text}`)
}

/** With a relay that works nothing is left to do; one of either side is enough. */
function relayAdvice({ summary: { interfaces, relays } }: Findings): readonly string[] {
  if (relays.some(({ state }) => state === 'serving')) return []
  const broken = relays.flatMap(({ server, error }) => (error === undefined ? [] : [`The TURN server ${server} does not serve: ${codes[error.code].advice}`]))
  const isNeeded = interfaces.some(({ tcp }) => isKnown(tcp) && compatibility(tcp).some(({ needsRelay }) => needsRelay))
  return broken.length > 0 || !isNeeded ? broken : ['With the peers that only a relay can join, a TURN server helps: name one with --turn, here or there. IPv6 on both sides does too.']
}

function stunAdvice({ stun }: Findings): readonly string[] {
  if (stun.length === 0) return ['Name STUN servers with --stun: without them nothing tells how this network looks from outside. `throughline infra` is one.']
  return stun.every(isDead) ? ['No STUN server can be reached: name others with --stun, or look whether a firewall keeps this machine from getting out.'] : []
}

function brokerAdvice({ brokers }: Findings): readonly string[] {
  if (brokers.length === 0) return ['Name a broker with --mqtt: without one nobody can ask this machine to dial back, or find it by id. `throughline infra` is one.']
  if (brokers.some(({ state }) => state === 'online')) return []
  return ['No broker can be reached: check --mqtt, and whether the firewall lets its port out (8883 for mqtts, 443 for many wss).']
}

function clockAdvice({ summary: { clock } }: Findings): readonly string[] {
  if (clock === null || Math.abs(clock.offsetMs) <= clockToleranceMs) return []
  return [`Set the clock of this machine: it is ${showMs(Math.abs(clock.offsetMs))} off. More than ${clockToleranceMs / 1_000} s cost each connection by signalling another round trip.`]
}
