import { showMs } from '../describe.js'
import type { CandidateMoment, Moment, Role, Signal } from './messages.js'
import type { Screen } from '../screen.js'

/** What a moment says, and how it is to look. */
export interface Line {
  readonly text: string
  readonly mood: 'plain' | 'dim' | 'good' | 'bad'
}

const signalTexts: Readonly<Record<Signal, string>> = {
  'offer.published': 'offer is with the broker, sealed to bob',
  'offer.received': 'offer opened: alice asks for a pipe',
  'offer.acknowledged': 'offer acknowledged by bob',
  'answer.sent': 'answers with where he can be reached',
  'answer.received': 'answer received',
  'open.received': 'OPEN received: alice has chosen this channel',
}

/** One moment in words. */
export function tellMoment(moment: Moment): Line {
  switch (moment.kind) {
    case 'state':
      return { text: `state: ${moment.value}`, mood: 'dim' }
    case 'signal':
      return { text: signalTexts[moment.value], mood: 'plain' }
    case 'candidate':
      return tellCandidate(moment.candidate)
    case 'pipe':
      return { text: `has the pipe: ${moment.path.local} ← ${moment.path.remote}`, mood: 'good' }
  }
}

function tellCandidate({ strategy, scope, family, method, local, remote, status, code }: CandidateMoment): Line {
  const way = `${local} → ${remote}`
  switch (status) {
    case 'dialling':
      return { text: `${strategy} candidate ${way} (${[`IPv${family}`, scope, ...(method === undefined ? [] : [method])].join(', ')}): dialling`, mood: 'plain' }
    case 'securing':
      return { text: `${strategy} candidate ${way}: connected, TLS begins`, mood: 'plain' }
    case 'secured':
      return { text: `${strategy} candidate ${way}: both keys proved`, mood: 'plain' }
    case 'elected':
      return { text: `${strategy} candidate ${way}: elected`, mood: 'good' }
    case 'failed':
      return { text: `${strategy} candidate ${way}: failed${code === undefined ? '' : ` (${code})`}`, mood: 'bad' }
    case 'lost':
    case 'cancelled':
    case 'skipped':
      return { text: `${strategy} candidate ${way}: ${status}${code === undefined ? '' : ` (${code})`}`, mood: 'dim' }
  }
}

const colours = { good: 'green', bad: 'red', dim: 'dim' } as const
const timeColumns = 11
const whoColumns = 7

/** A line of the timeline: time since the dial, who, what. */
export function timelineRow({ paint, wrap }: Screen, elapsedMs: number, who: Role, { text, mood }: Line): string {
  const indent = timeColumns + whoColumns
  const time = `${Math.max(0, elapsedMs).toFixed(1)} ms`.padStart(timeColumns - 2).padEnd(timeColumns)
  const wrapped = wrap(text, indent)
  return `${paint('dim', time)}${paint('cyan', who.padEnd(whoColumns))}${mood === 'plain' ? wrapped : paint(colours[mood], wrapped)}`
}

/** `16 MiB in 110 ms, 153 MB/s`. */
export function rateText(bytes: number, elapsedMs: number): string {
  return `${sizeText(bytes)} in ${showMs(elapsedMs)}, ${megabytesPerSecond(bytes, elapsedMs)} MB/s`
}

/** Whole, and at least three digits where it is slow. */
export function megabytesPerSecond(bytes: number, elapsedMs: number): number {
  const rate = bytes / 1e3 / Math.max(elapsedMs, 0.1)
  return rate >= 100 ? Math.round(rate) : Number(rate.toPrecision(3))
}

export const sizeText = (bytes: number): string => `${Math.round((bytes / 1_024 ** 2) * 10) / 10} MiB`
