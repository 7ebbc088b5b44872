import { codes, type ErrorCode, type Failure } from '../../src/errors/index.js'
import { explainPair } from '../../src/nat/punch/explain-pair.js'
import type { StrategyName } from '../../src/protocol/strategy.js'
import type { CandidateRecord, Verdict } from '../shared/candidate.types.js'
import { strategyOrder } from '../strategies.js'
import type { AttemptContext } from './attempt.types.js'
import { failureOf, hasProvedItsKey } from './failure.js'

/** What `explain` looks at; `failure` overrides the attempt's own (a pipe that broke, a cancellation from outside). */
export interface VerdictFacts {
  readonly context: AttemptContext
  readonly elected: CandidateRecord | undefined
  readonly failure?: Failure | undefined
}

/** Why an attempt came out as it did, what is to blame, and what would help. Pure; nothing in it is a secret. */
export function explain({ context, elected, failure }: VerdictFacts): Verdict {
  if (failure === undefined && elected !== undefined) return success(context, elected)
  const cause = failure ?? failureOf(context)
  const { code } = cause
  const text = sentences(cause, context).join(' ')
  return { code, text, advice: adviceFor(code, context) }
}

function success(context: AttemptContext, elected: CandidateRecord): Verdict {
  const text = `Connected ${describePath(elected)}.`
  const better = Object.values(context.candidates).filter(record => rankOf(record) < rankOf(elected) && record.error?.code !== 'ERR_SUPERSEDED')
  const reason = elected.strategy === 'direct' ? notLocal(better) : elected.strategy === 'relay' ? whyRelayed(context, better) : notDirect(context, better)
  return reason === undefined ? { code: 'OK', text, advice: '' } : { code: 'OK', text: `${text} ${reason.text}`, advice: reason.advice }
}

/** The lower the better: earlier strategies first, and within one the local path. */
const rankOf = ({ strategy, scope }: CandidateRecord): number => 2 * (strategyOrder as readonly StrategyName[]).indexOf(strategy) + (scope === 'local' ? 0 : 1)

interface Reason {
  readonly text: string
  readonly advice: string
}

const notLocal = (better: readonly CandidateRecord[]): Reason | undefined =>
  better.length === 0 ? undefined : { text: `Not on the local network: ${tally(better)}.`, advice: '' }

function notDirect({ strategies, known, candidates }: AttemptContext, better: readonly CandidateRecord[]): Reason | undefined {
  if (!strategies.includes('direct')) return { text: 'Not directly: it was not asked for.', advice: 'Allow the strategy direct.' }
  const advice = openPort
  const failed = better.filter(isDirect)
  if (failed.length > 0) return { text: `Not directly: ${tally(failed)}.`, advice }
  const hasDirect = Object.values(candidates).some(isDirect)
  return hasDirect || (known?.endpoints?.interfaces.length ?? 0) > 0 ? undefined : { text: 'Not directly: the peer published no endpoint to dial.', advice }
}

/** A relay costs a detour and somebody's bandwidth: why neither a dial nor a punch came through. */
function whyRelayed(context: AttemptContext, better: readonly CandidateRecord[]): Reason | undefined {
  const direct = notDirect(context, better)
  const punches = better.filter(({ strategy }) => strategy === 'punch')
  const punch = punches.length === 0 ? '' : punches.some(({ error }) => error !== undefined) ? (pairOf(context)?.text ?? `Nor by a punch: ${tally(punches)}.`) : 'A punch had not come through yet.'
  const text = [direct?.text ?? '', punch].filter(nonEmpty).join(' ')
  return text === '' ? undefined : { text, advice: direct?.advice ?? openPort }
}

const openPort = 'A port the peer opens to the outside would allow a direct connection.'

const isDirect = ({ strategy }: CandidateRecord): boolean => strategy === 'direct'

const ways: Partial<Record<StrategyName, string>> = { reverse: 'in reverse', punch: 'by a punch', relay: 'by a relay' }

const describePath = ({ strategy, scope, family, remote, relay, rttMs = 0 }: CandidateRecord): string =>
  (relay !== undefined ? `by a relay over IPv${family} (${relay}${rttMs > 0 ? `, ${Math.round(rttMs)} ms round trip to the peer` : ''})` : `${ways[strategy] ?? strategy} over IPv${family}, ${scope === 'local' ? 'on the local network' : 'over the internet'} (${remote})`)

function sentences({ code, message }: Failure, context: AttemptContext): string[] {
  switch (code) {
    case 'ERR_PEER_OFFLINE':
      return ['No sign of life from the peer.', signallingSentence(context), candidateSentence(context)].filter(nonEmpty)
    case 'ERR_NO_PATH':
      return [
        context.signalling.acknowledged ? 'The peer is running (it acknowledged our offer), but no path was found.' : 'The peer answered, but no path was found.',
        answerSentence(context), candidateSentence(context), inboundSentence(context), pairOf(context)?.text ?? '', relaySentence(context),
      ].filter(nonEmpty)
    case 'ERR_TIMEOUT':
      return [`No path within ${Math.round(context.timeoutMs / 1_000)} s.`, signallingSentence(context), candidateSentence(context)].filter(nonEmpty)
    case 'ERR_PEER_KEY_MISMATCH':
      return ['Somebody else answered at the peer’s endpoint:', `${message}.`, signallingSentence(context)].filter(nonEmpty)
    default:
      return [capital(message.endsWith('.') ? message : `${message}.`)]
  }
}

function signallingSentence({ signalling, known }: AttemptContext): string {
  if (known === undefined) return 'Nothing was found out about it yet.'
  const brokers = known.brokers.length
  if (signalling.acknowledged) return 'It acknowledged our offer.'
  if (brokers === 0) return 'No broker was known to ask it by.'
  if (signalling.failure !== undefined && !signalling.published) return `No broker could carry our offer (${signalling.failure.message}).`
  if (signalling.published) return 'Our offer was published, and nobody acknowledged it.'
  return ''
}

/** Acknowledged by the node, but its answer (after authorisation) never came. */
const answerSentence = ({ signalling }: AttemptContext): string =>
  signalling.acknowledged && !signalling.answered ? 'It did not answer the offer.' : ''

function candidateSentence({ candidates, known, strategies }: AttemptContext): string {
  const records = Object.values(candidates).filter(({ strategy }) => strategy !== 'relay')
  if (records.length === 0) return known === undefined || !strategies.includes('direct') ? '' : 'It published no endpoint to dial.'
  const failed = records.filter(({ error, status }) => error !== undefined && status !== 'lost')
  const silent = records.filter(({ status }) => status === 'cancelled')
  return failed.length + silent.length === 0 ? '' : `Its endpoints: ${tally([...failed, ...silent])}.`
}

/** The other side was to dial us and no channel came. */
function inboundSentence({ signalling, strategies, candidates }: AttemptContext): string {
  const isMissing = signalling.answered && strategies.includes('reverse') && !Object.values(candidates).some(record => record.strategy === 'reverse' && hasProvedItsKey(record))
  return isMissing ? 'It could not reach this side either: a NAT or firewall here lets nothing in.' : ''
}

/** What kept the two from meeting at a relay. */
function relaySentence({ strategies, signalling, relay, relayFailure, known, candidates }: AttemptContext): string {
  if (!strategies.includes('relay') || !signalling.answered) return ''
  const tried = Object.values(candidates).filter(({ strategy }) => strategy === 'relay')
  const ours = relayFailure === undefined || relayFailure.code === 'ERR_RELAY_NONE' ? '' : `Our own relay could not be used: ${relayFailure.message}.`
  const met = tried.length === 0 ? '' : `By a relay: ${tally(tried)}.`
  const hasNone = ours === '' && met === '' && (relay ?? []).length === 0 && (known?.endpoints?.relay ?? []).length === 0
  return hasNone ? 'Neither side has a relay.' : [ours, met].filter(nonEmpty).join(' ')
}

/** What the two NATs have to do with it, where a punch was tried. */
function pairOf({ strategies, signalling, known, punch }: AttemptContext): { readonly text: string; readonly advice: string } | undefined {
  return strategies.includes('punch') && signalling.answered ? explainPair(punch ?? [], known?.endpoints?.punch ?? []) : undefined
}

const reasons: Partial<Record<ErrorCode, string>> = {
  ERR_DIAL_TIMEOUT: 'did not answer (a NAT or firewall drops)',
  ERR_DIAL_REFUSED: 'refused',
  ERR_DIAL_UNREACHABLE: 'have no route from here',
  ERR_PUNCH_TIMEOUT: 'did not meet our SYNs at the moment of a punch',
  ERR_DIAL_LOCAL: 'could not be tried from here',
  ERR_DIAL_FORBIDDEN: 'were left out by the safety rules',
  ERR_PEER_KEY_MISMATCH: 'answered with another key',
  ERR_RELAY_UNMET: 'where the two did not meet',
  ERR_RELAY_PEER: 'which does not relay to the other side',
  ERR_RELAY_LOST: 'which gave up',
  ERR_SECURE_TIMEOUT: 'accepted and stayed silent',
  ERR_SECURE_FAILED: 'failed in TLS',
  ERR_ACCEPT_TIMEOUT: 'connected but did not accept in time',
  ERR_CHANNEL_LOST: 'connected and broke again',
}

/** `2 did not answer (…), 1 refused`. What has no error was still under way. */
function tally(records: readonly CandidateRecord[]): string {
  const counts = new Map<string, number>()
  for (const { error } of records) {
    const reason = error === undefined ? 'had not answered yet' : (reasons[error.code] ?? error.code)
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  return [...counts].map(([reason, count]) => `${count} ${reason}`).join(', ')
}

function adviceFor(code: ErrorCode, context: AttemptContext): string {
  const { strategies, known } = context
  const relay = code === 'ERR_NO_PATH' ? relayAdvice(context) : undefined
  if (relay !== undefined) return relay
  const pair = code === 'ERR_NO_PATH' ? pairOf(context) : undefined
  if (pair !== undefined) return pair.advice.includes('relay') && strategies.includes('relay') ? `${pair.advice} ${nameRelay}` : pair.advice
  if (code === 'ERR_NO_PATH' && strategies.every(strategy => strategy === 'relay')) return nameRelay
  if (code === 'ERR_NO_PATH' && !strategies.includes('reverse')) return 'Allow the strategy reverse, so that the peer can dial this side.'
  if (code === 'ERR_NO_PATH') return `Open a port at one of the two sides (--listen-port and a rule in its router). ${nameRelay}`
  if (code === 'ERR_PEER_OFFLINE' && known?.brokers.length === 0) return 'Name a broker both sides use with --mqtt.'
  return codes[code].advice
}

const nameRelay = 'A TURN server, which one of the two names with --turn, joins them whatever the NATs do.'

/** What is wrong with the relay there is; undefined where there is none, or it was not asked for. */
function relayAdvice({ strategies, relayFailure, candidates }: AttemptContext): string | undefined {
  if (!strategies.includes('relay')) return undefined
  if (relayFailure !== undefined && relayFailure.code !== 'ERR_RELAY_NONE') return `Mend the relay. ${codes[relayFailure.code].advice}`
  const failed = Object.values(candidates).find(({ strategy, error }) => strategy === 'relay' && error !== undefined)
  return failed?.error && codes[failed.error.code].advice
}

const nonEmpty = (text: string): boolean => text !== ''
/** A sentence begins with a capital, a URL does not. */
const capital = (text: string): string => (/^[a-z]+:/.test(text) ? text : text.slice(0, 1).toUpperCase() + text.slice(1))
