import type { NatProfile } from '../../nat/nat-profile.js'
import type { ClockSummary, NetworkInterface, NetworkSummary } from '../../node/types.js'
import type { BrokerAnswer } from './broker-check.js'
import type { StunAnswers } from './stun-check.js'

/** Everything the report is made of. */
export interface Findings {
  readonly summary: Pick<NetworkSummary, 'interfaces' | 'relays' | 'clock' | 'clockError'>
  /** One for each broker that was named. */
  readonly brokers: readonly BrokerAnswer[]
  /** One for each STUN server that was named; empty also where there is no address to ask from. */
  readonly stun: readonly StunAnswers[]
  /** The time servers that were named. */
  readonly timeServers: readonly string[]
}

/** `eth0, IPv4`. */
export const nameOf = ({ name, family }: Pick<NetworkInterface, 'name' | 'family'>): string => `${name}, IPv${family}`

/** Whether anything was learnt there, now or before. */
export const isMeasured = ({ external, tcp, udp }: NetworkInterface): boolean => external !== null || [tcp, udp].some(isKnown)

/** Whether anything was learnt of a transport. */
export const isKnown = ({ mapping, blocked }: NatProfile): boolean => blocked || mapping !== 'unknown'

/** Whether a NAT stands before it. */
export const hasNat = ({ mapping }: NatProfile): boolean => mapping !== 'unknown' && mapping !== 'none'

/** Whether it takes another external port for each destination. */
export const isSymmetric = ({ mapping }: NatProfile): boolean => mapping === 'address-dependent' || mapping === 'address-and-port-dependent'

/** Whether a server answered by neither transport. */
export const isDead = ({ tcp, udp }: StunAnswers): boolean => 'error' in tcp && 'error' in udp

/** Time servers that are not among those which agree. */
export function disagreeing(timeServers: readonly string[], clock: ClockSummary | null): readonly string[] {
  const agreeing = new Set(clock?.source.split(', '))
  return timeServers.filter(server => !agreeing.has(server))
}
