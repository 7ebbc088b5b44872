import type { KernelNatSpec, UserNat } from './nat-spec.js'

/** One direction of a wire. */
export interface Direction {
  readonly delayMs: number
  readonly jitterMs: number
  readonly loss: number
}

/** What stands between an uplink and the hosts behind it. */
export type RouterNat = { readonly kernel: KernelNatSpec } | { readonly user: UserNat }

/** A host on a router's LAN. The gateway is 1, so positions start at 2. */
export interface Member {
  readonly namespace: string
  readonly device: string
  readonly position: number
}

/** One end of the internet: a host with a public address, or a router with what is behind it. */
export interface Uplink {
  readonly name: string
  /** 0 is the internet host; the number is part of every address. */
  readonly index: number
  /** Undefined: a host with a public address. */
  readonly router: RouterNat | undefined
  readonly isCarrier: boolean
  /** The carrier it is behind, and which of its customers it is, from 1. */
  readonly behind: { readonly carrier: Uplink; readonly customer: number } | undefined
  /** Undefined: a plain veth, no wire. */
  readonly wire: { readonly up: Direction; readonly down: Direction } | undefined
  readonly ipv6: boolean
  readonly hasSecondAddress: boolean
  readonly members: readonly Member[]
}

const uplinksPerBlock = 63 // a /30 each

/** Uplinks with an address of their own: 198.51.100.0/24 and 203.0.113.0/24 in /30s. The most that a lab has, the internet host included. */
export const maxUplinks = 2 * uplinksPerBlock - 1

const block = ({ index }: Uplink, end: 1 | 2): string => (index < uplinksPerBlock ? `198.51.100.${index * 4 + end}` : `203.0.113.${(index - uplinksPerBlock) * 4 + end}`)
const customerGateway = (carrier: Uplink): string => `100.64.${carrier.index}.1`

export const wanIpv4 = (uplink: Uplink): string => (uplink.behind === undefined ? block(uplink, 2) : `100.64.${uplink.behind.carrier.index}.${uplink.behind.customer + 1}`)
export const wanGatewayIpv4 = (uplink: Uplink): string => (uplink.behind === undefined ? block(uplink, 1) : customerGateway(uplink.behind.carrier))
export const secondIpv4 = ({ index }: Uplink): string => `192.0.2.${index}`
export const wanIpv6 = ({ index }: Uplink, end: 1 | 2): string => `2001:db8:1:${index === 0 ? '' : `${index.toString(16)}:`}:${end}`

/** Whether hosts behind it keep their own, public, addresses. */
export const isTransparent = ({ router }: Uplink): boolean => router !== undefined && 'kernel' in router && router.kernel.kernel === 'firewall'
const lanNetwork = (uplink: Uplink): string => (uplink.isCarrier ? `100.64.${uplink.index}` : isTransparent(uplink) ? `198.18.${uplink.index}` : `10.${uplink.index}.0`)
export const lanIpv4 = (uplink: Uplink, position: number): string => `${lanNetwork(uplink)}.${position}`
export const lanIpv6 = ({ index }: Uplink, position: '' | number): string => `2001:db8:a:${index.toString(16)}::${position}`

/** Where its IPv4 packets come from, as seen by the public internet; of a member if its router translates nothing. */
export function externalIpv4(uplink: Uplink, position: number): string {
  if (uplink.behind !== undefined) return wanIpv4(uplink.behind.carrier)
  return isTransparent(uplink) ? lanIpv4(uplink, position) : wanIpv4(uplink)
}

const mac = ({ index }: Uplink, end: 1 | 2 | 3): string => `02:00:00:00:${index.toString(16).padStart(2, '0')}:0${end}`
export const wanMac = (uplink: Uplink): string => mac(uplink, 2)
export const coreMac = (uplink: Uplink): string => mac(uplink, 1)
export const lanMac = (uplink: Uplink): string => mac(uplink, 3)
/** Of the next hop of an uplink. */
export const gatewayMac = (uplink: Uplink): string => (uplink.behind === undefined ? coreMac(uplink) : lanMac(uplink.behind.carrier))

export const hostNamespace = (uplink: Uplink): string => `host-${uplink.name}`
export const routerNamespace = (uplink: Uplink): string => `router-${uplink.name}`
export const wanNamespace = (uplink: Uplink): string => (uplink.router === undefined ? hostNamespace(uplink) : routerNamespace(uplink))
export const wanDevice = (uplink: Uplink): string => (uplink.router === undefined ? 'eth0' : 'wan')
