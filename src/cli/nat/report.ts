import { roundMs, showMs } from '../describe.js'
import type { RelaySummary } from '../../node/types.js'
import type { Screen } from '../screen.js'
import { adviceFor } from './advice.js'
import type { Findings } from './findings.js'
import { interfaceSection } from './interface-section.js'
import { peersSection } from './peers-section.js'
import type { StunAnswer } from './stun-check.js'
import { unknownsOf } from './unknowns.js'

/** The report of `throughline nat` for people, line by line; some lines are broken to the width of the terminal. */
export function natReport(findings: Findings, screen: Screen): readonly string[] {
  const { interfaces } = findings.summary
  const { paint } = screen
  const sections = [
    ...(interfaces.length === 0 ? [[paint('bold', 'No network'), '  No interface is up that leads anywhere.']] : interfaces.map(one => interfaceSection(one, screen))),
    peersSection(interfaces, screen),
    serversSection(findings, screen),
    list('What would help', adviceFor(findings), screen, 'Nothing: this network lets every peer in.'),
    list('What could not be learnt', unknownsOf(findings), screen, 'Nothing is left open.'),
  ]
  return sections.filter(lines => lines.length > 0).flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
}

const kindColumns = 9

/** Who was asked, and what came of it. */
function serversSection({ summary: { clock, relays }, brokers, stun }: Findings, { paint, wrap }: Screen): readonly string[] {
  const row = (kind: string, text: string) => `  ${paint('dim', kind.padEnd(kindColumns))}${wrap(text, kindColumns + 2)}`
  const rows = [
    ...(clock === null ? [] : [row('clock', `${offsetText(clock.offsetMs)}, ± ${showMs(clock.uncertaintyMs)}, by ${clock.source}`)]),
    ...brokers.map(({ url, state, rttMs, failure }) => row('broker', `${url}: ${state}${rttMs === undefined ? '' : `, ${showMs(rttMs)}`}${failure === undefined ? '' : ` (${failure.code})`}`)),
    ...stun.map(({ server, udp, tcp }) => row('STUN', `${server}: UDP ${answerText(udp)}, TCP ${answerText(tcp)}`)),
    ...relays.map(relay => row('relay', `${relay.server}: ${relayText(relay)}`)),
  ]
  return rows.length === 0 ? [] : [paint('bold', 'Clock and servers'), ...rows]
}

function relayText({ state, relayed, family, rttMs, error }: RelaySummary): string {
  if (state === 'serving') return `works, IPv${family} by ${relayed}, ${showMs(rttMs ?? 0)}`
  return state === 'asking' ? 'no answer in time' : `${state === 'unusable' ? 'not usable' : 'does not work'}, ${error?.message ?? ''} (${error?.code ?? ''})`
}

const offsetText = (offsetMs: number): string =>
  (roundMs(Math.abs(offsetMs)) === 0 ? 'right' : `${showMs(Math.abs(offsetMs))} ${offsetMs > 0 ? 'behind' : 'ahead of'} true time`)

const answerText = (answer: StunAnswer): string => ('rttMs' in answer ? showMs(answer.rttMs) : `none (${answer.error.code})`)

function list(title: string, items: readonly string[], { paint, wrap }: Screen, otherwise: string): readonly string[] {
  const lines = items.length === 0 ? [otherwise] : items.map(item => `- ${wrap(item, 4)}`)
  return [paint('bold', title), ...lines.map(line => `  ${line}`)]
}
