import type { Transport } from '../../nat/nat-profile.js'
import type { NetworkInterface } from '../../node/types.js'
import { disagreeing, hasNat, isDead, isKnown, isMeasured, nameOf, type Findings } from './findings.js'

/** Below, the profile is as likely wrong as right. */
const doubtful = 0.5

/** What could not be learnt, and why: one sentence or two each. */
export function unknownsOf(findings: Findings): readonly string[] {
  return [...findings.summary.interfaces.flatMap(ofInterface), ...ofStun(findings), ...ofClock(findings), ...ofThisVersion()]
}

function ofInterface(one: NetworkInterface): readonly string[] {
  if (!isMeasured(one)) return [`${nameOf(one)}: anything, see above.`]
  const texts = (['tcp', 'udp'] as const).flatMap(transport => ofTransport(one, transport))
  if (one.external === null && isKnown(one.tcp) && !one.tcp.blocked) texts.push('The external address: the servers disagree.')
  return texts.map(text => `${nameOf(one)}: ${text}`)
}

function ofTransport(one: NetworkInterface, transport: Transport): readonly string[] {
  const profile = one[transport]
  const name = transport.toUpperCase()
  if (profile.blocked) return []
  if (!isKnown(profile)) return [`${name}: too few servers answered.`]
  return [
    ...(profile.filtering === 'unknown' ? [`Who may come in by ${name}: ${backTexts[transport]} \`throughline infra\` on a machine outside can.`] : []),
    ...(hasNat(profile) && profile.allocation === 'unknown' ? [`How external ${name} ports are chosen: they fit no pattern, or too few answers came.`] : []),
    ...(profile.confidence < doubtful ? [`${name}: confidence is low, because only one server vouches for it or other traffic moves the ports. Measure again, or name more servers.`] : []),
  ]
}

/** What measuring a filter takes. */
const backTexts: Readonly<Record<Transport, string>> = {
  tcp: 'no server that answered dials back.',
  udp: 'no server that answered also sends from another address (RFC 5780).',
}

function ofStun({ stun }: Findings): readonly string[] {
  const dead = stun.filter(isDead).map(({ server }) => server)
  return dead.length === 0 ? [] : [`What ${dead.join(', ')} could have told: no answer, neither by UDP nor by TCP.`]
}

function ofClock({ timeServers, summary: { clock, clockError } }: Findings): readonly string[] {
  if (timeServers.length === 0) return ['The clock: no time server is named (--ntp).']
  const others = disagreeing(timeServers, clock).join(', ')
  if (clock !== null) return others === '' ? [] : [`The time of ${others}: no answer, or one that the others contradict.`]
  return [`The clock, asked of ${others}: ${clockError === undefined ? 'no answer in time.' : `${clockError.message} (${clockError.code}).`}`]
}

const ofThisVersion = (): readonly string[] => ['Whether the router opens ports on request (UPnP, NAT-PMP, PCP): this version does not ask.']
