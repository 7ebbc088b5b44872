import { defaults } from '../../config/defaults.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import type { Role } from '../../protocol/frames.js'
import type { InterfaceRecord } from '../../protocol/interface-record.js'
import { isSameHost } from '../../protocol/stun/ip-bytes.js'
import { unknownProfile } from '../enumeration/classify.js'
import { letsAnyPortIn, mobility, pairOutcome, type NatTraits } from '../nat-compatibility.js'
import { portsAround } from './aim.js'
import type { PunchMethod, PunchSite, Volley } from './volley.js'

const { birthdayBurst, birthdayRefusedSyns, birthdaySmall, birthdaySyns, blockPorts, listenLeadMs, listenQuietMs, maxBlock } = defaults.punch

/** How much a birthday punch may cost; `refused`: the peer's NAT answered what the attempt has sent so far; `off`: as if there were none. */
export type BirthdayBudget = 'full' | 'refused' | 'small' | 'off'

/** SYNs of each burst, in the first round and in later ones. */
const birthdays: Readonly<Record<BirthdayBudget, readonly [first: readonly number[], later: readonly number[]]>> = {
  full: [[birthdayBurst, birthdayBurst], [birthdaySyns]],
  refused: [[birthdayBurst, birthdayBurst], [birthdayRefusedSyns]],
  small: [[birthdaySmall], []],
  off: [[], []],
}

/** A site of ours against an external endpoint the peer stated. */
export interface Meeting {
  readonly site: PunchSite
  readonly record: InterfaceRecord
  readonly remote: Endpoint
  readonly role: Role
  readonly birthday: BirthdayBudget
  /** From 0. */
  readonly round: number
  /** How the last pipe between the two networks came up. */
  readonly proven?: PunchMethod | undefined
}

/** A volley but for where it goes. */
export type Tactic = Omit<Volley, 'scope' | 'family' | 'host' | 'remoteHost'>

/** What our side does; the peer's, from the same two records, does its part. */
export function tacticsFor({ site, record, remote, role, birthday, round, proven }: Meeting): readonly Tactic[] {
  const nats: readonly [NatTraits, NatTraits] = [site.record.nat ?? unknownProfile, record.nat ?? unknownProfile]
  const { method } = pairOutcome(...nats)
  const [ours, theirs] = method === proven ? [strict(nats[0]), strict(nats[1])] : nats
  const isKept = mobility(ours) === 'kept'
  const bursts = birthdays[birthday][round === 0 ? 0 : 1]
  const one: Tactic = { method: 'mapping', localPorts: site.localPorts.slice(0, 1), remotePorts: [remote.port], delayMs: 0 }
  switch (method) {
    case 'listen': {
      // the peer's SYN has to open its filter first: ours, dropped there, would be repeated after a second
      if (!listens(ours, theirs, role)) return [{ ...one, method: 'listen', delayMs: mobility(theirs) === 'open' ? 0 : listenLeadMs }]
      const listening: Tactic = { ...one, method: 'listen', listenMs: Infinity }
      // where we map per destination a SYN would leave by another mapping, and stand in the way of the peer's by this one
      return [isKept ? listening : { ...listening, remotePorts: [] }]
    }
    case 'predicted':
      return [isKept ? aimAround(one, ours, record) : { ...one, method: 'predicted', ...foretoldPart(site, ours, theirs) }]
    case 'birthday':
      return mobility(ours) === 'random' ? spread(one, theirs, burstsFrom(site, bursts)) : [shoot(one, site, record, ours, bursts)]
    default:
      return [isKept && isSameHost(site.record.external?.host ?? '', remote.host) ? { ...one, method: 'hairpin' } : one]
  }
}

/** A filter that nobody knows; the last pipe did not come up by listening first, so that need not be tried again. */
const strict = (nat: NatTraits): NatTraits => (nat.filtering === 'unknown' ? { ...nat, filtering: 'address-and-port-dependent' } : nat)

/** Whether the punch of two sites rests on a port that has to be foretold; both sides find the same. */
export function hasToForetell({ nat: ours = unknownProfile }: InterfaceRecord, { nat: theirs = unknownProfile }: InterfaceRecord): boolean {
  const { method } = pairOutcome(ours, theirs)
  return method === 'predicted' || (method === 'birthday' && [ours, theirs].some(nat => mobility(nat) === 'predictable'))
}

/** Whether the punch of two sites is a matter of chance, which takes its time; both sides find the same. */
export function hasToDraw({ nat: ours = unknownProfile }: InterfaceRecord, { nat: theirs = unknownProfile }: InterfaceRecord): boolean {
  return pairOutcome(ours, theirs).method === 'birthday'
}

/** Whether we are the one that listens: whom anybody reaches, else who keeps its mapping. */
function listens(ours: NatTraits, theirs: NatTraits, role: Role): boolean {
  const [one, other] = [mobility(ours), mobility(theirs)]
  if (one === 'open' && other === 'open') return role === 'responder'
  return one === 'open' || (one === 'kept' && other !== 'open')
}

/** One kept port to the port foretold and those around it. A filter that nobody knows may let others of the peer's ports in first. */
const aimAround = (one: Tactic, { filtering }: NatTraits, { nat = unknownProfile }: InterfaceRecord): Tactic => ({
  ...one, method: 'predicted', remotePorts: portsAround(one.remotePorts[0] ?? 0, nat), ...(filtering === 'unknown' && { listenMs: listenQuietMs }),
})

/** The ports one of which gets the mapping that was foretold. The peer's need not be the one it foretold where our filter does not ask. */
function foretoldPart({ localPorts }: PunchSite, ours: NatTraits, theirs: NatTraits): Pick<Tactic, 'localPorts' | 'listenMs'> {
  if (mobility(ours) === 'random') return { localPorts: localPorts.slice(0, 1) }
  const isListening = mobility(theirs) === 'random' || (mobility(theirs) === 'predictable' && letsAnyPortIn(ours))
  return { localPorts, ...(isListening && { listenMs: Infinity }) }
}

/** Many SYNs from one mapping to where the peer's may be. At a counter that is the last port's, if nobody else comes. */
function shoot(one: Tactic, site: PunchSite, { range }: InterfaceRecord, { allocation, filtering }: NatTraits, bursts: readonly number[]): Tactic {
  const localPorts = allocation === 'sequential' ? site.localPorts : one.localPorts
  const left = without(localPorts.length, bursts)
  return {
    ...one, method: 'birthday', localPorts,
    ...(left.length > 0 && { bursts: left, random: widened(range ?? allPorts, sum(left)) }),
    ...(filtering === 'unknown' && { listenMs: listenQuietMs }),
  }
}

/** Of a block, whose ports the peer can try all, a few are enough: a carrier gives its customer no more than that block. */
const burstsFrom = ({ record: { range } }: PunchSite, bursts: readonly number[]): readonly number[] =>
  range !== undefined && range[1] - range[0] < 2 * maxBlock ? bursts.map(size => Math.min(size, blockPorts)) : bursts

/** Many ports at one mapping. Where its filter may ask for our address only, one of them tries that first. */
function spread(one: Tactic, { filtering }: NatTraits, bursts: readonly number[]): readonly Tactic[] {
  const many = (before: number): Tactic => {
    const left = without(1 + before, bursts)
    return { ...one, method: 'birthday', localPorts: [0], ...(left.length > 0 && { bursts: left }) }
  }
  if (filtering !== 'unknown') return [many(0)]
  const first: Tactic = { ...one, method: 'listen' }
  return bursts.length === 0 ? [first] : [first, { ...many(1), delayMs: listenQuietMs }]
}

/** What is left of bursts when so many SYNs have left; the first may be empty, for it says when the next one comes. */
const without = (count: number, [first, ...rest]: readonly number[]): readonly number[] => (first === undefined ? [] : [Math.max(0, first - count), ...rest])

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0)

/** Of all that NATs use (RFC 4787 REQ-3). */
const allPorts = [1_024, 65_535] as const

/** All of a small range and its surroundings: what was seen of a block of ports is not all of it. */
function widened([low, high]: readonly [number, number], count: number): { readonly low: number; readonly high: number } {
  const [lowest, highest] = [Math.min(low, allPorts[0]), allPorts[1]]
  const missing = Math.max(0, count - (high - low + 1))
  const from = Math.max(lowest, Math.min(low - Math.ceil(missing / 2), highest + 1 - count))
  return { low: Math.min(low, from), high: Math.max(high, Math.min(highest, from + count - 1)) }
}
