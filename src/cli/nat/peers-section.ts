import { compatibility, type Chance, type PairOutcome, type PunchMethod } from '../../nat/nat-compatibility.js'
import type { NetworkInterface } from '../../node/types.js'
import type { Screen } from '../screen.js'
import { nameOf } from './findings.js'

const peerColumns = 24
const chanceColumns = 9

/** What will work with which kinds of peers: one table for all interfaces that are alike in it. Empty where no mapping is known. */
export function peersSection(interfaces: readonly NetworkInterface[], screen: Screen): readonly string[] {
  const { paint, wrap } = screen
  const known = interfaces.filter(({ tcp }) => tcp.mapping !== 'unknown')
  if (known.length === 0) return []
  const groups = new Map<string, NetworkInterface[]>()
  for (const one of known) {
    const { mapping, filtering, allocation } = one.tcp
    const key = JSON.stringify(compatibility({ mapping, filtering, allocation }))
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  return [
    paint('bold', 'What will work (pipes are TCP)'),
    ...[...groups.values()].flatMap(group => [...table(group, screen), '']),
    `  ${paint('dim', wrap(`direct: this machine dials the peer. reverse: the peer dials this machine. punch: both dial at once. What none of them does, a relay does: a TURN server that one of the two names with --turn.`, 2))}`,
  ]
}

function table(group: readonly NetworkInterface[], { paint }: Screen): readonly string[] {
  const [first] = group
  if (first === undefined) return []
  const head = ['direct', 'reverse', 'punch'].map(title => title.padEnd(chanceColumns)).join('').trimEnd()
  return [
    `  by ${group.map(nameOf).join(' and ')}`,
    '',
    `    ${paint('dim', `${"the peer's network".padEnd(peerColumns)}${head}`)}`,
    ...compatibility(first.tcp).map(row => `    ${row.peer.padEnd(peerColumns)}${[row.direct, row.reverse].map(chance => cell(chance, paint)).join('')}${punchText(row, paint)}`),
  ]
}

const cell = (chance: Chance, paint: Screen['paint']): string => `${painted(chance, paint)}${' '.repeat(chanceColumns - chance.length)}`

const painted = (chance: Chance, paint: Screen['paint']): string => (chance === 'unknown' ? chance : paint(colours[chance], chance))

const colours = { yes: 'green', likely: 'cyan', no: 'dim' } as const

function punchText({ punch, method, needsRelay }: PairOutcome, paint: Screen['paint']): string {
  if (needsRelay) return paint('red', 'no: only a relay')
  return `${painted(punch, paint)}${method === undefined || punch === 'unknown' ? '' : paint('dim', `, ${methodTexts[method]}`)}`
}

const methodTexts: Readonly<Record<PunchMethod, string>> = {
  mapping: 'by the ports both keep',
  listen: 'one side dials, then listens',
  predicted: 'by predicted ports',
  birthday: 'by many ports at once',
}
