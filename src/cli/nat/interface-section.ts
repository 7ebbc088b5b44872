import type { NatProfile, Transport } from '../../nat/nat-profile.js'
import type { NetworkInterface } from '../../node/types.js'
import type { Screen } from '../screen.js'
import { hasNat, isKnown, isMeasured, nameOf } from './findings.js'
import { allocationTerm, describeProfile } from './words.js'

const labelColumns = 14
const valueColumns = 31

/** What the network is at one interface and family: in words, and in the terms of the field. */
export function interfaceSection(one: NetworkInterface, { paint, wrap }: Screen): readonly string[] {
  const title = `${paint('bold', nameOf(one))}  ${one.local}${outsideText(one)}`
  if (!isMeasured(one)) return [title, `  ${paint('dim', wrap(whyUnmeasured(one), 2))}`]
  const isAlike = describeProfile(one.tcp) === describeProfile(one.udp)
  const words = isAlike ? [['TCP and UDP', one.tcp] as const] : ([['TCP', one.tcp], ['UDP', one.udp]] as const)
  return [
    title,
    ...(one.state === 'known' ? [] : [`  ${paint('red', wrap(staleText(one), 2))}`]),
    ...words.map(([transports, profile]) => `  ${wrap(`${transports}: ${describeProfile(profile)}`, 2)}`),
    ...(one.cgnatSuspected ? [`  ${wrap('The provider seems to have a NAT of its own behind the one of this site (CGNAT).', 2)}`] : []),
    '',
    `  ${''.padEnd(labelColumns)}${paint('dim', `${'TCP'.padEnd(valueColumns)}UDP`)}`,
    ...rows.map(([label, term]) => `  ${paint('dim', label.padEnd(labelColumns))}${term(one, 'tcp').padEnd(valueColumns)}${term(one, 'udp')}`),
  ]
}

type Term = (one: NetworkInterface, transport: Transport) => string

const ofProfile = (term: (profile: NatProfile) => string): Term => (one, transport) => (isKnown(one[transport]) ? term(one[transport]) : '-')

const rows: readonly (readonly [string, Term])[] = [
  ['classic name', ofProfile(({ classic }) => classic)],
  ['mapping', ofProfile(({ mapping }) => mapping)],
  ['filtering', ofProfile(({ filtering }) => filtering)],
  ['allocation', ofProfile(allocationTerm)],
  ['ports seen', ofProfile(({ range }) => (range === null ? '-' : range.join(' to ')))],
  ['hairpin', (one, transport) => hairpinTerm(one.hairpin[transport], hasNat(one[transport]))],
  ['confidence', ofProfile(({ confidence }) => `${Math.round(confidence * 100)} %`)],
]

const hairpinTerm = (works: boolean | null, hasNat: boolean): string => (works === null ? (hasNat ? 'not tested' : '-') : works ? 'yes' : 'no')

function outsideText({ external, local }: NetworkInterface): string {
  if (external === null) return ''
  return external === local ? ', seen from outside as it is' : `, seen from outside as ${external}`
}

const staleText = ({ error }: NetworkInterface): string =>
  `As it was before: the network has changed since, or nobody answered the last time${error === undefined ? '' : `, ${error.message} (${error.code})`}.`

/** Why nothing is known there. */
function whyUnmeasured({ state, error }: NetworkInterface): string {
  if (error !== undefined) return `Not measured: ${error.message} (${error.code}).`
  if (state === 'known') return 'Not measured: the servers that answer see the private address of this machine, so they stand on this side of whatever NAT there is.'
  return state === 'sampling' ? 'Not measured: it took longer than 10 s.' : 'Not measured: no server was asked from this address.'
}
