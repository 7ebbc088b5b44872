import type { NatProfile } from '../../nat/nat-profile.js'
import type { NatBehaviour } from '../../protocol/interface-record.js'
import { hasNat, isKnown, isSymmetric } from './findings.js'

/** What a network does to one transport, in sentences. */
export function describeProfile(profile: NatProfile): string {
  if (profile.blocked) return 'Nothing comes back: every server that answers by the other transport is silent by this one.'
  if (!isKnown(profile)) return 'Not known.'
  return [mappingText(profile), ...(hasNat(profile) ? [allocationText(profile)] : []), filteringText(profile)].join(' ')
}

function mappingText(profile: NatProfile): string {
  if (!hasNat(profile)) return 'No NAT: the world sees the address and port of this machine.'
  if (!isSymmetric(profile)) return 'A NAT that keeps one external port for a local port, whoever it talks to: a port that one server sees holds for every peer.'
  const whom = profile.mapping === 'address-dependent' ? 'each address' : 'each address and port'
  return `A symmetric NAT: it takes another external port for ${whom} it talks to, so a port that a server sees says little about the one a peer will see.`
}

function allocationText(profile: NatProfile): string {
  const { allocation, delta } = profile
  // a port that is kept need not be foretold
  const foretold = (text: string) => (isSymmetric(profile) ? `, so ${text}.` : '.')
  switch (allocation) {
    case 'equal':
      return 'External ports are the local ones.'
    case 'offset':
      return `External ports are the local ones ${inWords(delta)}.`
    case 'sequential':
      return `Each new external port is the last one ${inWords(delta)}${foretold('the next can be predicted')}`
    case 'dependent':
      return `Along consecutive local ports each external port is the last one ${inWords(delta)}${foretold('it can be predicted')}`
    case 'random':
      return `External ports are random${foretold('they cannot be predicted')}`
    case 'none':
    case 'unknown':
      return 'How it chooses external ports is not known.'
  }
}

function filteringText({ mapping, filtering }: NatProfile): string {
  return mapping === 'none' ? openTexts[filtering] : filterTexts[filtering]
}

const filterTexts: Readonly<Record<NatBehaviour, string>> = {
  none: 'Anybody may come in.',
  'endpoint-independent': 'Anybody may come in by a port that has sent something.',
  'address-dependent': 'In comes only an address that this machine has sent to.',
  'address-and-port-dependent': 'In comes only an address and port that this machine has sent to.',
  unknown: 'Whom it lets in is not known.',
}

const openTexts: Readonly<Record<NatBehaviour, string>> = {
  ...filterTexts,
  none: 'Nothing keeps others out: peers can dial this machine.',
  'address-dependent': 'A firewall lets in only addresses that this machine has sent to.',
  'address-and-port-dependent': 'A firewall lets in only addresses and ports that this machine has sent to.',
  unknown: 'Whether a firewall keeps others out is not known.',
}

/** `sequential, delta +2`. */
export const allocationTerm = ({ allocation, delta }: NatProfile): string => (delta === 0 ? allocation : `${allocation}, delta ${signed(delta)}`)

const signed = (delta: number): string => (delta < 0 ? `${delta}` : `+${delta}`)

const inWords = (delta: number): string => (delta < 0 ? `minus ${-delta}` : `plus ${delta}`)
