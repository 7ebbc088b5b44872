import type { Writable } from 'node:stream'
import type { CandidateStatus } from '../../../machines/shared/candidate.types.js'
import type { Strategy } from '../../../machines/strategies.js'
import type { Failure } from '../../errors/index.js'
import { roundMs, shortId, showMs } from '../describe.js'
import type { Output } from '../output.js'
import { monotonicMs, type Moment, type Nat, type Reason, type Report, type Role, type Transferred } from './messages.js'
import type { Place } from './place.js'
import { screenOf, type Screen } from '../screen.js'
import type { Stage } from './stage.js'
import { megabytesPerSecond, rateText, sizeText, tellMoment, timelineRow } from './story.js'
import { Timeline } from './timeline.js'

/** A file that has gone through a pipe. */
export interface TransferResult {
  readonly sent: Transferred
  readonly received: Transferred
  readonly isWhole: boolean
  readonly verdict: Reason | undefined
}

const titles: Readonly<Record<Strategy, string>> = {
  direct: 'alice dials bob',
  reverse: 'alice asks bob, through the broker, to dial her',
  punch: 'neither lets the other in, so both dial at one moment',
  relay: 'the two meet at a TURN server',
}

/** What the audience sees: lines for people, events for programs (docs/cli.md). */
export class Programme {
  readonly #output: Output
  readonly #screen: Screen
  readonly #timeline = new Timeline(({ who, moment }) => this.#row(who, moment), monotonicMs)
  readonly #nodes = new Map<Role, Extract<Report, { tell: 'online' }>>()
  readonly #startedAtMs = monotonicMs()
  #dialledAtMs = 0
  #session = ''

  constructor(output: Output, stdout: Writable) {
    this.#output = output
    this.#screen = screenOf(stdout)
  }

  open({ title, text }: Place): void {
    const blank = this.#nodes.size === 0 ? '' : '\n'
    this.#print(`${blank}${this.#screen.paint('bold', title)}  ${this.#screen.wrap(text, 4, title.length + 2)}\n`)
  }

  /** What a node's process tells. */
  take(who: Role, report: Report): void {
    switch (report.tell) {
      case 'online':
        return void this.#nodes.set(who, report)
      case 'dialled':
        this.#session = report.session
        this.#dialledAtMs = report.atMs
        return
      case 'moment':
        this.#event(who, report.moment)
        return this.#timeline.add({ who, moment: report.moment })
      case 'connected': {
        const { elapsedMs, path } = report
        return this.#output.event('connected', { node: who, session: this.#session, peer: this.#nodes.get('bob')?.id, protocol: '', ...path, rttMs: roundMs(path.rttMs), elapsedMs: roundMs(elapsedMs) })
      }
      case 'done':
      case 'failed':
    }
  }

  introduce(stage: Stage, { broker, stun, facts }: Place): void {
    this.#output.event('infra', { mqtt: [broker], ws: [], ...(stun.length > 0 && { stun }) })
    for (const [node, { id, address, port, nat }] of this.#nodes) this.#output.event('online', { node, pid: stage.pid(node), id, address, listenPort: port, nat, degraded: [] })
    for (const [name, text] of facts) this.#fact(name, text)
    for (const [node, { id, port, nat }] of this.#nodes) this.#fact(node, `${shortId(id)} in process ${stage.pid(node)}, ${nat === undefined ? `listens on port ${port}` : natText(nat)}`)
    this.#fact('file', `${sizeText(stage.bytes)} of random bytes, sha256 ${shortDigest(stage.sha256)}`)
  }

  /** In one line: a strategy that this machine cannot show. */
  skip(strategy: Strategy, reason: string): void {
    this.#output.event('skipped', { strategy, reason })
    this.#print(`\n${this.#screen.wrap(`no ${strategy} through NATs here: ${reason}`, 0)}`)
  }

  announce(index: number, strategy: Strategy): void {
    this.#session = ''
    this.#print(`\n${this.#screen.paint('bold', `${index + 1}. ${strategy}`)}  ${titles[strategy]}\n`)
  }

  tellTransfer(strategy: Strategy, { sent, received, isWhole, verdict }: TransferResult): void {
    this.#timeline.flush()
    this.#output.event('transfer', {
      session: this.#session, strategy, bytes: received.bytes, elapsedMs: roundMs(sent.elapsedMs), megabytesPerSecond: megabytesPerSecond(sent.bytes, sent.elapsedMs),
      sent: sent.sha256, received: received.sha256, matched: isWhole, verdict,
    })
    const { elapsedMs } = sent
    this.#print('')
    this.#result(isWhole, isWhole
      ? `${rateText(sent.bytes, elapsedMs)}; alice sent and bob received sha256 ${shortDigest(received.sha256)}`
      : `the files differ: alice sent ${sizeText(sent.bytes)} with sha256 ${shortDigest(sent.sha256)}, bob received ${sizeText(received.bytes)} with ${shortDigest(received.sha256)}`)
    // Its advice is how to have got a better path; here the strategy was part of the show.
    this.#reason(isWhole && verdict !== undefined ? { ...verdict, advice: '' } : verdict)
  }

  tellFailure(strategy: Strategy, failure: Failure, verdict: Reason | undefined): void {
    this.#timeline.flush()
    this.#output.event('failed', { session: this.#session, strategy, ...failure, verdict })
    this.#print('')
    this.#result(false, `${verdict?.text ?? failure.message} (${failure.code})`)
    this.#reason(verdict && { ...verdict, text: '' })
  }

  conclude(succeeded: number, total: number): void {
    const elapsedMs = monotonicMs() - this.#startedAtMs
    this.#output.event('summary', { ok: succeeded === total, succeeded, total, elapsedMs: roundMs(elapsedMs) })
    const { paint } = this.#screen
    const text = `${succeeded} of ${total} transfers arrived whole; ${showMs(elapsedMs)} in all, and nothing is left behind`
    this.#print(`\n${paint('bold', paint(succeeded === total ? 'green' : 'red', text))}`)
  }

  #event(node: Role, moment: Moment): void {
    const session = this.#session
    const elapsedMs = roundMs(moment.atMs - this.#dialledAtMs)
    if (moment.kind === 'state') return this.#output.event('state', { node, session, value: moment.value, elapsedMs })
    if (moment.kind === 'signal') return this.#output.event('signal', { node, session, value: moment.value, elapsedMs })
    if (moment.kind === 'pipe') return this.#output.event('pipe', { node, session, peer: this.#nodes.get('alice')?.id, protocol: '', ...moment.path, rttMs: roundMs(moment.path.rttMs), elapsedMs })
    const { id, status, ...fields } = moment.candidate
    if (isOutcome(status)) this.#output.event('candidate', { node, session, ...fields, outcome: status, elapsedMs })
    else this.#output.event('progress', { node, session, ...fields, status, elapsedMs })
  }

  #row(who: Role, moment: Moment): void {
    this.#print(timelineRow(this.#screen, moment.atMs - this.#dialledAtMs, who, tellMoment(moment)))
  }

  #fact(name: string, text: string): void {
    this.#print(`  ${this.#screen.paint('cyan', name.padEnd(factColumns - 2))}${this.#screen.wrap(text, factColumns)}`)
  }

  #result(isGood: boolean, text: string): void {
    this.#print(`  ${this.#screen.paint(isGood ? 'green' : 'red', isGood ? '✓' : '✗')} ${this.#screen.wrap(text, 4)}`)
  }

  #reason(verdict: Reason | undefined): void {
    for (const text of [verdict?.text, verdict?.advice]) if (text !== undefined && text !== '') this.#print(`    ${this.#screen.wrap(text, 4)}`)
  }

  #print(line: string): void {
    this.#output.print(line)
  }
}

const isOutcome = (status: CandidateStatus): boolean => status !== 'dialling' && status !== 'securing' && status !== 'secured'

const natText = ({ local, external, mapping, filtering }: Nat): string => `at ${local} behind a NAT, ${external} outside: mapping ${mapping}, filtering ${filtering}`

const factColumns = 12

const shortDigest = (digest: string): string => `${digest.slice(0, 16)}…`
