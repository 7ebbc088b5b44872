import type { NatBehaviour, PortAllocation } from '../protocol/interface-record.js'
import type { ClassicDelta, ClassicKind, ClassicName, NatProfile } from './nat-profile.js'

/** P2PD's name for a profile. It has one kind for every mapping that depends on the destination, and none without knowledge of the filter but `symmetric`. */
export function classicName(profile: Pick<NatProfile, 'mapping' | 'filtering' | 'allocation' | 'blocked'>): ClassicName {
  const kind = kindOf(profile)
  const delta = deltas[profile.allocation]
  return delta === undefined || kind === 'unknown' ? kind : `${kind}, ${delta}`
}

function kindOf({ mapping, filtering, blocked }: Pick<NatProfile, 'mapping' | 'filtering' | 'blocked'>): ClassicKind {
  if (blocked) return 'blocked'
  if (mapping === 'none') return unmapped[filtering]
  if (mapping === 'endpoint-independent') return cones[filtering]
  return mapping === 'unknown' ? 'unknown' : 'symmetric'
}

/** Anybody may come in by a port that has sent something: that is a full cone without NAT, and not shown to be open. */
const unmapped: Readonly<Record<NatBehaviour, ClassicKind>> = {
  none: 'open internet',
  'endpoint-independent': 'full cone',
  'address-dependent': 'symmetric firewall',
  'address-and-port-dependent': 'symmetric firewall',
  unknown: 'unknown',
}

const cones: Readonly<Record<NatBehaviour, ClassicKind>> = {
  none: 'full cone',
  'endpoint-independent': 'full cone',
  'address-dependent': 'restricted',
  'address-and-port-dependent': 'port restricted',
  unknown: 'cone',
}

const deltas: Readonly<Partial<Record<PortAllocation, ClassicDelta>>> = {
  equal: 'equal',
  offset: 'preserving',
  sequential: 'independent',
  dependent: 'dependent',
  random: 'random',
}
