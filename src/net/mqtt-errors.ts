import { ThroughlineError, type ErrorCode } from '../errors/index.js'
import { formatBrokerUrl, type BrokerUrl } from '../protocol/broker-url.js'
import { errnoOf } from './socket-errors.js'

/** The platform's errors of a connection, as ours; what is not listed is judged by where it came from. */
const byErrno: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'ERR_BROKER_UNREACHABLE',
  ENOTFOUND: 'ERR_BROKER_UNREACHABLE',
  EAI_AGAIN: 'ERR_BROKER_UNREACHABLE',
  EHOSTUNREACH: 'ERR_BROKER_UNREACHABLE',
  ENETUNREACH: 'ERR_BROKER_UNREACHABLE',
  EHOSTDOWN: 'ERR_BROKER_UNREACHABLE',
  ENETDOWN: 'ERR_BROKER_UNREACHABLE',
  EADDRNOTAVAIL: 'ERR_BROKER_UNREACHABLE',
  EMFILE: 'ERR_BROKER_UNREACHABLE',
  ENFILE: 'ERR_BROKER_UNREACHABLE',
  ETIMEDOUT: 'ERR_BROKER_TIMEOUT',
}

/** Reason codes of a CONNACK that speak about user and password: 3.1.1 section 3.2.2.3 (4, 5), 5.0 section 3.2.2.2. */
const loginReasons = new Set([4, 5, 134, 135, 138, 140])

/** "Unacceptable protocol version" of 3.1.1 and of 5.0. */
const versionReasons = new Set([1, 132])

/** A broker error; names the broker by its URL without credentials. */
export function brokerError(code: ErrorCode, url: BrokerUrl, text: string, cause?: unknown): ThroughlineError {
  const broker = formatBrokerUrl(url)
  return new ThroughlineError(code, `${broker}: ${text}`, { facts: { broker }, cause })
}

/** Why a stream failed before bytes could flow. */
export function transportError(url: BrokerUrl, error: unknown): ThroughlineError {
  const errno = errnoOf(error)
  const known = byErrno[errno]
  if (known !== undefined) return brokerError(known, url, errno, error)
  const text = errno || messageOf(error)
  // with a code it is Node's or OpenSSL's TLS; without one it is ws, about the HTTP answer
  if (errno !== '' && errno !== 'ECONNRESET' && (url.scheme === 'mqtts' || url.scheme === 'wss')) return brokerError('ERR_BROKER_TLS', url, text, error)
  if (/server response: 401/.test(text)) return brokerError('ERR_BROKER_LOGIN', url, text, error)
  return brokerError('ERR_BROKER_REFUSED', url, text, error)
}

/** Why the broker's CONNACK was not an acceptance. */
export function connackError(url: BrokerUrl, reason: number, cause: unknown): ThroughlineError {
  return loginReasons.has(reason)
    ? brokerError('ERR_BROKER_LOGIN', url, `the broker refused the user or password (${reason})`, cause)
    : brokerError('ERR_BROKER_REFUSED', url, `the broker refused the connection (${reason})`, cause)
}

/** True when the broker may accept the other version of MQTT. */
export const isVersionReason = (reason: number): boolean => versionReasons.has(reason)

/** The reason code mqtt.js attaches to an error, or undefined. */
export function reasonOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

/** The text of anything caught. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** What mqtt.js answered instead of an acknowledgement: the broker's refusal, or the end of the connection. */
export function operationError(url: BrokerUrl, what: string, error: unknown): ThroughlineError {
  const refused = reasonOf(error) !== undefined || hasSubackPacket(error)
  return refused
    ? brokerError('ERR_BROKER_REFUSED', url, `${what} was refused: ${messageOf(error)}`, error)
    : brokerError('ERR_BROKER_LOST', url, `${what} failed: ${messageOf(error)}`, error)
}

const hasSubackPacket = (error: unknown): boolean => typeof error === 'object' && error !== null && 'packet' in error && error.packet !== undefined
