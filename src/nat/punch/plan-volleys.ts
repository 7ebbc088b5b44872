import type { ErrorCode } from '../../errors/index.js'
import { formatEndpoint, type Endpoint, type Family } from '../../protocol/endpoint.js'
import type { Role } from '../../protocol/frames.js'
import type { InterfaceRecord } from '../../protocol/interface-record.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import { planDials, type OwnAddress, type PlannedDial } from '../dial-plan.js'
import { ipScope, isInPrefix } from '../ip-scope.js'
import type { ProvenPath } from '../path-memory.js'
import { hasToDraw, hasToForetell, tacticsFor, type BirthdayBudget, type Tactic } from './tactics.js'
import type { PunchMethod, PunchSite, Volley } from './volley.js'

/** What the plan rests on. */
export interface PunchPlanInput {
  readonly role: Role
  readonly mine: readonly PunchSite[]
  /** What the peer stated last. */
  readonly theirs: readonly InterfaceRecord[]
  readonly own: readonly OwnAddress[]
  /** Proved by the machine tag. */
  readonly isSameMachine: boolean
  /** As for `planDials`. */
  readonly mayDialPrivate: boolean
  readonly birthday: BirthdayBudget
  /** From 0; default the first. */
  readonly round?: number
  /** What led to the last pipe between these networks comes first. */
  readonly proven?: ProvenPath | undefined
}

/** What is left out, and why. */
export interface SkippedVolley {
  readonly family: Family
  readonly scope: 'local' | 'external'
  readonly method?: PunchMethod
  /** Our address; empty where none is concerned. */
  readonly local: string
  readonly remote: Endpoint
  readonly code: ErrorCode
}

export interface PunchPlan {
  readonly volleys: readonly Volley[]
  readonly skipped: readonly SkippedVolley[]
}

/**
 * Pairs our sites with the endpoints of the peer's, best first: this machine and our links, external, private elsewhere; IPv6 before IPv4
 * in each, or the family that is proven. What may be dialled is what `planDials` says. The peer, by the same records, plans its part.
 */
export function planVolleys(input: PunchPlanInput): PunchPlan {
  const volleys: Volley[] = []
  const skipped: SkippedVolley[] = []
  for (const target of targetsOf(input)) {
    const { remote, family, scope, skip } = target
    const sites = skip === undefined ? sitesFor(target, input) : []
    if (sites.length === 0) skipped.push({ family, scope, local: '', remote, code: skip ?? 'ERR_DIAL_LOCAL' })
    for (const site of sites) {
      const host = zoned(site.host, remote.host)
      if (isOurs(remote, input.mine)) {
        skipped.push({ family, scope, local: host, remote, code: 'ERR_DIAL_SELF' })
        continue
      }
      for (const tactic of tacticsAt(target, site, input)) {
        const remotePorts = tactic.remotePorts.filter(port => !isOurs({ ...remote, port }, input.mine))
        volleys.push({ ...tactic, scope, family, host, remoteHost: remote.host, remotePorts })
      }
    }
  }
  return { volleys, skipped }
}

/** Whether some pair rests on a port that has to be foretold, so that both sides should sample, and agree on a moment. Both find the same. */
export const needsSampling = (mine: readonly PunchSite[], theirs: readonly InterfaceRecord[]): boolean => hasPair(mine, theirs, hasToForetell)

/** Whether many ports are tried at once between some pair. Both find the same. */
export const needsManyPorts = (mine: readonly PunchSite[], theirs: readonly InterfaceRecord[]): boolean => hasPair(mine, theirs, hasToDraw)

/** Behind one NAT nothing can be foretold or drawn: its ports serve both. */
function hasPair(mine: readonly PunchSite[], theirs: readonly InterfaceRecord[], isSo: (ours: InterfaceRecord, theirs: InterfaceRecord) => boolean): boolean {
  return mine.some(({ record: ours }) => theirs.some(record =>
    ours.external !== undefined && record.family === ours.family && record.external !== undefined && !isSameHost(record.external.host, ours.external.host) && isSo(ours, record)))
}

/** An endpoint of the peer's: on a link of ours or this machine; outside; or its local one, which only a route leads to. */
interface Target extends Omit<PlannedDial, 'bind'> {
  readonly place: 'local' | 'external' | 'routed'
  readonly record: InterfaceRecord
}

const places = ['local', 'external', 'routed'] as const

/** Each stated endpoint once, best first. Ports of this machine that were stated by other addresses are none to punch to. */
function targetsOf({ theirs, own, isSameMachine, mayDialPrivate, proven }: PunchPlanInput): readonly Target[] {
  const dials = planDials({ interfaces: theirs, own, isSameMachine, mayDialPrivate })
  const names = dials.map(({ remote }) => formatEndpoint(remote))
  const targets = dials.filter((_, index) => names.indexOf(names[index] ?? '') === index).flatMap(dial => placed(dial, theirs))
  const rank = ({ place, family }: Target): number => 2 * places.indexOf(place) + (family === (proven?.family ?? 6) ? 0 : 1)
  return targets.sort((a, b) => rank(a) - rank(b))
}

function placed({ remote, family, scope, skip }: PlannedDial, theirs: readonly InterfaceRecord[]): readonly Target[] {
  const [bare] = remote.host.split('%')
  const isThere = (stated: Endpoint | undefined): boolean => stated?.host === bare && stated?.port === remote.port
  const base = { remote, family, scope, skip }
  const local = theirs.find(record => isThere(record.local))
  if (local !== undefined && scope === 'local') return [{ ...base, place: 'local', record: local }]
  const external = theirs.find(record => isThere(record.external))
  if (external !== undefined) return [{ ...base, place: 'external', record: external }]
  return local === undefined ? [] : [{ ...base, place: 'routed', record: local }]
}

/** On this machine the site at the same address, else any; on a link those in its prefix; elsewhere each, for each may be an uplink of its own. */
function sitesFor({ remote, family, scope }: Target, { mine, own }: PunchPlanInput): readonly PunchSite[] {
  const sites = mine.filter(({ record }) => record.family === family)
  if (scope === 'external') return sites.filter(({ host }) => ipScope(host) !== 'loopback' && ipScope(host) !== 'link-local')
  const same = sites.filter(({ host }) => isSameHost(host, remote.host))
  if (same.length > 0) return same
  if (ipScope(remote.host) === 'loopback' || own.some(({ address }) => isSameHost(address, remote.host))) return sites
  const [, zone] = remote.host.split('%')
  const isOnLink = ({ interfaceName, cidr }: OwnAddress): boolean => isInPrefix(remote.host, cidr) && (zone ?? interfaceName) === interfaceName
  return sites.filter(({ host }) => own.some(one => one.address === host && isOnLink(one)))
}

function tacticsAt({ place, remote, record }: Target, site: PunchSite, { role, birthday, round = 0, proven }: PunchPlanInput): readonly Tactic[] {
  if (place === 'external') return tacticsFor({ site, record, remote, role, birthday, round, proven: proven?.method })
  const { local } = site.record
  // no NAT in between; whoever states no port can't be met there
  if (local === undefined) return []
  const dial = { localPorts: [local.port], remotePorts: [remote.port], delayMs: 0 } as const
  if (place === 'routed') return [{ ...dial, method: 'mapping' }]
  return [{ ...dial, method: 'listen', ...(role === 'responder' && { listenMs: Infinity }) }]
}

/** An endpoint of ours would connect to itself. */
const isOurs = (endpoint: Endpoint, mine: readonly PunchSite[]): boolean =>
  mine.some(({ record: { local, external } }) => [local, external].some(one => one !== undefined && one.port === endpoint.port && isSameHost(one.host, endpoint.host)))

/** A link-local address of ours can be bound with its zone only. */
function zoned(host: string, remoteHost: string): string {
  const [, zone] = remoteHost.split('%')
  return zone !== undefined && ipScope(host) === 'link-local' ? `${host}%${zone}` : host
}
