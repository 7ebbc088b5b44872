import { existsSync } from 'node:fs'
import { externalIpv4, hostNamespace, isTransparent, lanIpv4, lanIpv6, maxUplinks, secondIpv4, wanIpv4, wanIpv6, type Direction, type Member, type RouterNat, type Uplink } from './addresses.js'
import { natKind } from './kinds.js'
import { isKernelNat, userNatOf } from './nat-spec.js'
import type { CarrierSpec, LabSpec, LinkSpec, MultihomedSpec, PerDirection, SiteSpec } from './types.js'

export interface PlannedHost {
  readonly name: string
  readonly namespace: string
  readonly ipv4: string
  readonly ipv6: string | undefined
  readonly externalIpv4: string
}

export interface PlannedSite extends PlannedHost {
  readonly secondIpv4: string | undefined
  readonly hosts: Readonly<Record<string, PlannedHost>>
}

export interface PlannedMultihomed extends PlannedHost {
  readonly uplinks: readonly { readonly site: string; readonly interface: string; readonly ipv4: string; readonly ipv6: string | undefined; readonly externalIpv4: string }[]
}

/** One interface of a host behind a router. */
export interface Attachment {
  readonly uplink: Uplink
  readonly member: Member
}

export interface LanHost {
  readonly namespace: string
  readonly attachments: readonly Attachment[]
  readonly hasSourceRouting: boolean
}

/** A spec with its defaults and addresses. */
export interface Model {
  /** The internet host, carriers, sites. */
  readonly uplinks: readonly Uplink[]
  readonly lanHosts: readonly LanHost[]
  readonly internet: PlannedSite
  readonly sites: readonly PlannedSite[]
  readonly multihomed: readonly PlannedMultihomed[]
}

const maxDelayMs = 10_000
const maxMembers = 200 // of a /24, with room

/** Checks a spec and gives everything its place; throws what names the wrong part. Asks whether the kernel has IPv6, else pure. */
export function modelOf(spec: LabSpec): Model {
  const hasIpv6 = existsSync('/proc/sys/net/ipv6')
  const { sites = {}, carriers = {}, multihomed = {} } = spec
  rejectUnknown('a lab', spec, ['sites', 'carriers', 'multihomed', 'seed'])
  const names = [...Object.keys(sites), ...Object.keys(carriers), ...Object.keys(multihomed)]
  for (const name of names) checkName(name)
  if (new Set(names).size < names.length) throw new TypeError('sites, carriers and multihomed hosts must have different names')
  if (Object.keys(sites).length + Object.keys(carriers).length >= maxUplinks) throw new RangeError(`a lab has at most ${maxUplinks - 1} sites and carriers`)

  const none = { router: undefined, isCarrier: false, behind: undefined, wire: undefined, hasSecondAddress: false, members: [] }
  const internet: Uplink = { ...none, name: 'internet', index: 0, ipv6: hasIpv6 }
  let index = 0
  const carrierUplinks = new Map(Object.entries(carriers).map(([name, carrier]) => [name, carrierUplink(name, carrier, (index += 1))]))
  const customers = new Map<string, number>()
  const siteUplinks = Object.entries(sites).map(([name, site]) => {
    const carrier = carrierOf(name, site, carrierUplinks)
    const customer = carrier === undefined ? 0 : (customers.get(carrier.name) ?? 0) + 1
    if (carrier !== undefined) customers.set(carrier.name, customer)
    return siteUplink(name, site, (index += 1), hasIpv6, carrier && { carrier, customer }, membersOf(name, site, multihomed))
  })
  for (const [name, host] of Object.entries(multihomed)) checkMultihomed(name, host, siteUplinks)

  const behindRouter = siteUplinks.filter(({ router }) => router !== undefined)
  const namespaces = [...new Set(behindRouter.flatMap(({ members }) => members.map(({ namespace }) => namespace)))]
  const lanHosts = namespaces.map((namespace): LanHost => {
    const attachments = behindRouter.flatMap(uplink => uplink.members.filter(member => member.namespace === namespace).map(member => ({ uplink, member })))
    return { namespace, attachments: inOrder(attachments), hasSourceRouting: multihomed[namespace.slice('host-'.length)]?.sourceRouting ?? true }
  })
  return {
    uplinks: [internet, ...carrierUplinks.values(), ...siteUplinks],
    lanHosts,
    internet: plannedSite(internet, {}),
    sites: siteUplinks.map(uplink => plannedSite(uplink, sites[uplink.name] as SiteSpec)),
    multihomed: Object.keys(multihomed).map(name => plannedMultihomed(name, lanHosts.find(({ namespace }) => namespace === `host-${name}`) as LanHost)),
  }
}

const inOrder = (attachments: Attachment[]): Attachment[] => attachments.sort((one, other) => one.member.device.localeCompare(other.member.device))

function siteUplink(name: string, site: SiteSpec, index: number, hasIpv6: boolean, behind: Uplink['behind'], members: readonly Member[]): Uplink {
  rejectUnknown(`site ${name}`, site, ['nat', 'behind', 'hosts', 'addresses', 'ipv6', ...linkFields])
  const { nat = 'none', addresses = 1, ipv6 = hasIpv6 && behind === undefined } = site
  const router = nat === 'none' ? undefined : routerNatOf(`site ${name}`, nat)
  const uplink: Uplink = { name, index, router, isCarrier: false, behind, wire: wireOf(name, site), ipv6, hasSecondAddress: addresses === 2, members }
  if (ipv6 && !hasIpv6) throw new Error(`site ${name} wants IPv6, which this machine's kernel lacks`)
  if (ipv6 && behind !== undefined) throw new TypeError(`site ${name} wants IPv6, which a carrier doesn't give`)
  if (addresses !== 1 && (addresses !== 2 || router !== undefined)) throw new TypeError(`site ${name} can't have ${String(addresses)} public addresses: 1, or 2 without NAT`)
  if (router === undefined && (behind !== undefined || members.length > 1)) throw new TypeError(`site ${name} needs a nat to be behind a carrier or to have a LAN ({ kernel: 'firewall' } gives its hosts public addresses)`)
  if (isTransparent(uplink) && behind !== undefined) throw new TypeError(`site ${name} has public addresses: it can't be behind a carrier`)
  return uplink
}

function carrierUplink(name: string, carrier: CarrierSpec, index: number): Uplink {
  rejectUnknown(`carrier ${name}`, carrier, ['nat', ...linkFields])
  const router = routerNatOf(`carrier ${name}`, carrier.nat)
  const uplink: Uplink = { name, index, router, isCarrier: true, behind: undefined, wire: wireOf(name, carrier), ipv6: false, hasSecondAddress: false, members: [] }
  if (isTransparent(uplink)) throw new TypeError(`carrier ${name} must translate`)
  return uplink
}

function carrierOf(name: string, { behind }: SiteSpec, carriers: ReadonlyMap<string, Uplink>): Uplink | undefined {
  if (behind === undefined) return undefined
  const carrier = carriers.get(behind)
  if (carrier === undefined) throw new TypeError(`site ${name} is behind ${JSON.stringify(behind)}, which is no carrier`)
  return carrier
}

function routerNatOf(whose: string, nat: Exclude<SiteSpec['nat'], undefined>): RouterNat {
  const spec = typeof nat === 'string' ? natKind(nat)?.nat : nat
  if (spec === undefined) throw new TypeError(`${whose} wants the NAT ${JSON.stringify(nat)}, which is not in the catalogue (kinds.ts)`)
  try {
    return isKernelNat(spec) ? { kernel: spec } : { user: userNatOf(spec) }
  } catch (error) {
    throw new TypeError(`the NAT of ${whose}: ${String(error)}`, { cause: error })
  }
}

/** The hosts of a site's LAN: its own, its further ones, and those that have it among several uplinks. */
function membersOf(site: string, { nat = 'none', hosts = [] }: SiteSpec, multihomed: Readonly<Record<string, MultihomedSpec>>): Member[] {
  if (new Set(hosts).size < hosts.length) throw new TypeError(`site ${site} has two hosts of one name`)
  for (const host of hosts) checkName(host)
  const attached = Object.entries(multihomed).flatMap(([name, { sites }]) => (sites.includes(site) ? [{ namespace: `host-${name}`, device: `eth${sites.indexOf(site)}` }] : []))
  const own = [site, ...hosts.map(host => `${host}.${site}`)].map(name => ({ namespace: `host-${name}`, device: 'eth0' }))
  if (nat === 'none' && own.length + attached.length === 1) return []
  if (own.length + attached.length > maxMembers) throw new RangeError(`site ${site} has more than ${maxMembers} hosts`)
  return [...own, ...attached].map((member, offset) => ({ ...member, position: offset + 2 }))
}

function checkMultihomed(name: string, host: MultihomedSpec, uplinks: readonly Uplink[]): void {
  rejectUnknown(`multihomed host ${name}`, host, ['sites', 'sourceRouting'])
  if (host.sites.length === 0 || new Set(host.sites).size < host.sites.length) throw new TypeError(`multihomed host ${name} needs sites, each once`)
  for (const site of host.sites) {
    if (!uplinks.some(uplink => uplink.name === site)) throw new TypeError(`multihomed host ${name} is at ${JSON.stringify(site)}, which is no site`)
  }
}

function plannedHost(name: string, { uplink, member }: Attachment): PlannedHost {
  const { position, namespace } = member
  return { name, namespace, ipv4: lanIpv4(uplink, position), ipv6: uplink.ipv6 ? lanIpv6(uplink, position) : undefined, externalIpv4: externalIpv4(uplink, position) }
}

function plannedSite(uplink: Uplink, { hosts = [] }: SiteSpec): PlannedSite {
  const { name, members } = uplink
  const [own, ...others] = members
  if (own === undefined) {
    return { name, namespace: hostNamespace(uplink), ipv4: wanIpv4(uplink), ipv6: uplink.ipv6 ? wanIpv6(uplink, 2) : undefined, externalIpv4: wanIpv4(uplink), secondIpv4: uplink.hasSecondAddress ? secondIpv4(uplink) : undefined, hosts: {} }
  }
  const further = hosts.map((host, offset) => [host, plannedHost(`${host}.${name}`, { uplink, member: others[offset] as Member })] as const)
  return { ...plannedHost(name, { uplink, member: own }), secondIpv4: undefined, hosts: Object.fromEntries(further) }
}

function plannedMultihomed(name: string, { attachments }: LanHost): PlannedMultihomed {
  const interfaces = attachments.map(attachment => ({ site: attachment.uplink.name, interface: attachment.member.device, ...plannedHost(name, attachment) }))
  return { ...plannedHost(name, attachments[0] as Attachment), uplinks: interfaces.map(({ site, interface: device, ipv4, ipv6, externalIpv4: external }) => ({ site, interface: device, ipv4, ipv6, externalIpv4: external })) }
}

const linkFields = ['uplinkDelayMs', 'uplinkJitterMs', 'uplinkLoss'] as const

function wireOf(name: string, link: LinkSpec): Uplink['wire'] {
  const limits = { uplinkDelayMs: maxDelayMs, uplinkJitterMs: maxDelayMs, uplinkLoss: 1 }
  const [up, down] = (['up', 'down'] as const).map((way): Direction => {
    const [delayMs, jitterMs, loss] = linkFields.map(field => {
      const value = oneWay(link[field], way)
      if (!(value >= 0 && value <= limits[field])) throw new RangeError(`${field} of ${name} is ${value}, not 0 to ${limits[field]}`)
      return value
    }) as [number, number, number]
    return { delayMs, jitterMs, loss }
  }) as [Direction, Direction]
  return [up, down].some(({ delayMs, jitterMs, loss }) => delayMs + jitterMs + loss > 0) ? { up, down } : undefined
}

const oneWay = (value: PerDirection = 0, way: 'up' | 'down'): number => (typeof value === 'object' ? value[way] : value)

function checkName(name: string): void {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name) || name === 'internet') throw new TypeError(`not a name for a site or host: ${JSON.stringify(name)}`)
}

/** JSON from a file has no types: a mistyped field would be a NAT other than the one that was meant. */
function rejectUnknown(whose: string, spec: object, known: readonly string[]): void {
  const unknown = Object.keys(spec).find(field => !known.includes(field))
  if (unknown !== undefined) throw new TypeError(`${whose} has no ${unknown}; known are ${known.join(', ')}`)
}
