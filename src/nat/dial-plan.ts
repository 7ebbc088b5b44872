import type { ErrorCode } from '../errors/index.js'
import { familyOf, formatEndpoint, type Endpoint, type Family } from '../protocol/endpoint.js'
import type { InterfaceRecord } from '../protocol/interface-record.js'
import { ipScope, isBroadcastOf, isInPrefix } from './ip-scope.js'

/** An address of ours that may be a source. */
export interface OwnAddress {
  readonly interfaceName: string
  readonly family: Family
  readonly address: string
  /** With prefix length, e.g. `10.0.0.2/24`. */
  readonly cidr: string
}

/** What the plan rests on. */
export interface DialPlanInput {
  readonly interfaces: readonly InterfaceRecord[]
  readonly own: readonly OwnAddress[]
  /** Proved by the machine tag. */
  readonly isSameMachine: boolean
  /** Private endpoints off our links may be dialled: as initiator, and for allowed peers. */
  readonly mayDialPrivate: boolean
}

/** One dial: in which order is the order of the list. `bind` is set where the source has to be chosen. */
export interface PlannedDial {
  readonly remote: Endpoint
  readonly family: Family
  readonly scope: 'local' | 'external'
  readonly bind: string | undefined
  /** Why the safety rules or our interfaces leave it out; undefined = dial it. */
  readonly skip: ErrorCode | undefined
}

/**
 * Pairs a peer's endpoints with our addresses, best first: this machine, on-link, external (families alternate, IPv6
 * first, RFC 8305 section 4), private elsewhere; other uplinks of ours last, and then what is left out (docs/security.md).
 */
export function planDials(input: DialPlanInput): readonly PlannedDial[] {
  const known = lastPlans.get(input.interfaces)
  if (known !== undefined && isSame(known.input, input)) return known.plan
  const plan = makePlan(input)
  lastPlans.set(input.interfaces, { input, plan })
  return plan
}

/** The last plan for each list of endpoints: whoever dials an address dials it again. */
const lastPlans = new WeakMap<DialPlanInput['interfaces'], { readonly input: DialPlanInput; readonly plan: readonly PlannedDial[] }>()

const isSame = (a: DialPlanInput, b: DialPlanInput): boolean =>
  a.own === b.own && a.isSameMachine === b.isSameMachine && a.mayDialPrivate === b.mayDialPrivate

function makePlan(input: DialPlanInput): readonly PlannedDial[] {
  const endpoints = endpointsOf(input.interfaces)
  const loopbacks = input.isSameMachine ? loopbacksOf(endpoints) : []
  const planned = uniqueBy([...loopbacks, ...endpoints], formatEndpoint).flatMap(remote => planEndpoint(remote, input))
  const ranked = planned.map(dial => ({ dial, rank: rankOf(dial) }))
  return alternateFamilies(ranked.sort((a, b) => a.rank - b.rank)).map(({ dial }) => dial)
}

function endpointsOf(interfaces: readonly InterfaceRecord[]): Endpoint[] {
  return interfaces.flatMap(({ local, external }) => [local, external]).filter(endpoint => endpoint !== undefined)
}

/** On one machine every listed port is reachable by loopback, unless the listener was bound to an interface. IPv6 only where it listens on that. */
function loopbacksOf(endpoints: readonly Endpoint[]): Endpoint[] {
  const ports = [...new Set(endpoints.map(({ port }) => port))]
  return ports.flatMap(port => [{ host: '127.0.0.1', port }, ...(endpoints.some(({ host }) => familyOf(host) === 6) ? [{ host: '::1', port }] : [])])
}

function planEndpoint(remote: Endpoint, { own, isSameMachine, mayDialPrivate }: DialPlanInput): PlannedDial[] {
  const family = familyOf(remote.host)
  const kind = ipScope(remote.host)
  const base = { remote, family, scope: 'external', bind: undefined, skip: undefined } as const
  const isOurs = own.some(({ address }) => address === remote.host)
  if (kind === 'loopback') return [{ ...base, scope: 'local', skip: isSameMachine ? undefined : 'ERR_DIAL_FORBIDDEN' }]
  if (kind === 'forbidden' || own.some(({ cidr }) => isBroadcastOf(remote.host, cidr))) return [{ ...base, skip: 'ERR_DIAL_FORBIDDEN' }]
  if (isOurs) return [{ ...base, scope: 'local', skip: isSameMachine ? undefined : 'ERR_DIAL_FORBIDDEN' }]
  const onLink = own.filter(source => source.family === family && isInPrefix(remote.host, source.cidr))
  if (kind === 'link-local') return planLinkLocal(remote, onLink)
  if (onLink.length > 0) return onLink.map(({ address }) => ({ ...base, scope: 'local', bind: onLink.length > 1 ? address : undefined }))
  if (kind === 'private' && !mayDialPrivate) return [{ ...base, skip: 'ERR_DIAL_FORBIDDEN' }]
  return planRouted(remote, own.filter(source => source.family === family && ipScope(source.address) !== 'link-local'))
}

/** Link-local addresses mean something only on a link of ours: one dial per link, with our zone. */
function planLinkLocal(remote: Endpoint, onLink: readonly OwnAddress[]): PlannedDial[] {
  const family = familyOf(remote.host)
  if (onLink.length === 0) return [{ remote, family, scope: 'external', bind: undefined, skip: 'ERR_DIAL_UNREACHABLE' }]
  return onLink.map(({ address, interfaceName }) => ({
    remote: family === 6 ? { ...remote, host: `${remote.host}%${interfaceName}` } : remote,
    family, scope: 'local', bind: family === 4 ? address : undefined, skip: undefined,
  }))
}

/** By the route table first; then once more from each other interface, which needs a rule for its source address. */
function planRouted(remote: Endpoint, sources: readonly OwnAddress[]): PlannedDial[] {
  const base = { remote, family: familyOf(remote.host), scope: 'external' } as const
  if (sources.length === 0) return [{ ...base, bind: undefined, skip: 'ERR_DIAL_UNREACHABLE' }]
  const names = uniqueBy(sources, ({ interfaceName }) => interfaceName)
  const others = names.length > 1 ? names.map(({ address }) => ({ ...base, bind: address, skip: undefined })) : []
  return [{ ...base, bind: undefined, skip: undefined }, ...others]
}

function rankOf({ remote, scope, bind, skip }: PlannedDial): number {
  if (skip !== undefined) return 9
  const kind = ipScope(remote.host)
  if (kind === 'loopback') return 0
  if (scope === 'local') return 1
  if (bind !== undefined) return 4
  return kind === 'external' ? 2 : 3
}

/** Within one rank IPv6 and IPv4 take turns, so that one broken family costs one stagger only. */
function alternateFamilies(ranked: readonly { dial: PlannedDial; rank: number }[]): readonly { dial: PlannedDial; rank: number }[] {
  const turn = new Map<string, number>()
  const keyed = ranked.map(entry => {
    const group = `${entry.rank}/${entry.dial.family}`
    const index = turn.get(group) ?? 0
    turn.set(group, index + 1)
    const isSecond = entry.rank === 0 ? entry.dial.family === 6 : entry.dial.family === 4
    return { entry, order: entry.rank * 1_000 + index * 2 + (isSecond ? 1 : 0) }
  })
  return keyed.sort((a, b) => a.order - b.order).map(({ entry }) => entry)
}

function uniqueBy<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const seen = new Map<string, T>()
  for (const item of items) if (!seen.has(keyOf(item))) seen.set(keyOf(item), item)
  return [...seen.values()]
}
