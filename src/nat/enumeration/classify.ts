import { defaults } from '../../config/defaults.js'
import type { ErrorCode } from '../../errors/index.js'
import { formatEndpoint, type Family } from '../../protocol/endpoint.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import { ipScope, isInPrefix } from '../ip-scope.js'
import { classicName } from '../nat-classic.js'
import type { InterfaceProfile, NatProfile, Transport } from '../nat-profile.js'
import { agree, type Agreement } from './agreement.js'
import { findAllocation } from './allocation.js'
import { findFiltering } from './filtering.js'
import { foreignRate } from './foreign-rate.js'
import { findMapping } from './mapping.js'
import { newMappings } from './new-mappings.js'
import { mappedOf, type ProbeRound } from './probes.js'

/** What was measured, and where. */
export interface Measured {
  readonly name: string
  readonly family: Family
  /** Our address on the interface. */
  readonly local: string
  /** Of both transports. */
  readonly rounds: readonly ProbeRound[]
}

/** Makes a profile of what was measured; never throws, whatever the servers said. What could not be learnt is `unknown`. */
export function classifyInterface({ name, family, local, rounds }: Measured): InterfaceProfile {
  const tcp = agree(rounds, 'tcp', local)
  const udp = agree(rounds, 'udp', local)
  // a connection goes by TCP
  const external = [tcp, udp].find(one => one.external !== null && !isInside(one, local))?.external ?? null
  return {
    name,
    family,
    local,
    external,
    hairpin: { tcp: findHairpin(rounds, 'tcp'), udp: findHairpin(rounds, 'udp') },
    cgnatSuspected: external !== null && !isSameHost(external, local) && family === 4 && (isShared(local) || ipScope(external) === 'private'),
    tcp: profileOf(rounds, 'tcp', local, tcp),
    udp: profileOf(rounds, 'udp', local, udp),
  }
}

/** The profile of one transport. */
export const classifyTransport = (rounds: readonly ProbeRound[], transport: Transport, local: string): NatProfile =>
  profileOf(rounds, transport, local, agree(rounds, transport, local))

/** Nothing is known. */
export const unknownProfile: NatProfile = {
  mapping: 'unknown', filtering: 'unknown', allocation: 'unknown', delta: 0, range: null, confidence: 0, classic: 'unknown', blocked: false,
}

function profileOf(rounds: readonly ProbeRound[], transport: Transport, local: string, agreement: Agreement): NatProfile {
  const { external, voters, trusted } = agreement
  const silent = silentServers(rounds, transport)
  if (silent > 0) return named({ ...unknownProfile, blocked: true, confidence: succession(silent, silent) })
  if (external === null || isInside(agreement, local)) return unknownProfile
  const filtering = findFiltering(rounds, transport, new Set(trusted.map(({ server }) => server.host)))
  const weight = voters >= 2 ? 1 : 0.5
  const ports = trusted.map(({ mapped }) => mapped.port)
  const range = [Math.min(...ports), Math.max(...ports)] as const
  if (isUnmapped(agreement, local)) {
    return named({ mapping: 'none', filtering, allocation: 'none', delta: 0, range, confidence: weight * succession(trusted.length, trusted.length), blocked: false })
  }
  const { mapping, agreeing, all, isAssumed } = findMapping(trusted)
  const found = findAllocation(newMappings(rounds, transport, trusted, mapping))
  // the chance that nobody else's mapping comes first
  const undisturbed = Math.exp((-foreignRate(rounds, transport, trusted, found) * defaults.natProbe.horizonMs) / 1_000)
  const confidence = weight * (isAssumed ? 0.5 : 1) * Math.min(succession(agreeing, all), succession(found.agreeing, found.all)) * undisturbed
  const isKnown = mapping !== 'unknown' || found.allocation !== 'unknown'
  return named({ mapping, filtering: filtering === 'none' ? 'endpoint-independent' : filtering, allocation: found.allocation, delta: found.delta, range, confidence: isKnown ? confidence : 0, blocked: false })
}

const named = (profile: Omit<NatProfile, 'classic'>): NatProfile => ({ ...profile, classic: classicName(profile) })

/** Laplace's rule: the chance that the next observation agrees when `agreeing` of `all` did. */
const succession = (agreeing: number, all: number): number => (agreeing + 1) / (all + 2)

/** No NAT: only when every server that counts sees exactly the endpoint we sent from. */
const isUnmapped = ({ trusted }: Agreement, local: string): boolean =>
  trusted.every(one => isSameHost(one.mapped.host, local) && isSameHost(one.mapped.host, one.local.host) && one.mapped.port === one.local.port)

/** The servers see a private address of ours as it is, so they are on our side of whatever NAT there is, and know nothing of it. */
const isInside = ({ external }: Agreement, local: string): boolean => external !== null && isSameHost(external, local) && ipScope(local) !== 'external'

/** RFC 6598. */
const isShared = (address: string): boolean => isInPrefix(address, '100.64.0.0/10')

/** How many servers answer by the other transport and are silent by this one, where none answers by this one. A server that refuses was reached. */
function silentServers(rounds: readonly ProbeRound[], transport: Transport): number {
  if (mappedOf(rounds, transport).length > 0) return 0
  const answering = new Set(mappedOf(rounds, transport === 'tcp' ? 'udp' : 'tcp').map(({ server }) => formatEndpoint(server)))
  const failed = rounds.filter(({ batch }) => batch.transport === transport).flatMap(({ observations }) => observations.filter(one => one.kind === 'mapping'))
  return new Set(failed.filter(({ server, failure }) => answering.has(formatEndpoint(server)) && failure !== undefined && silences.has(failure)).map(({ server }) => formatEndpoint(server))).size
}

const silences: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ERR_STUN_TIMEOUT', 'ERR_DIAL_TIMEOUT', 'ERR_DIAL_UNREACHABLE'])

function findHairpin(rounds: readonly ProbeRound[], transport: Transport): boolean | null {
  const outcomes = rounds.filter(({ batch }) => batch.transport === transport).flatMap(({ observations }) => observations.filter(one => one.kind === 'hairpin').map(({ outcome }) => outcome))
  if (outcomes.includes('arrived')) return true
  return outcomes.includes('nothing') ? false : null
}
