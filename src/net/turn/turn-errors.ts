import { ThroughlineError, type ErrorCode } from '../../errors/index.js'
import { formatEndpoint, type Endpoint } from '../../protocol/endpoint.js'
import type { StunError } from '../../protocol/stun/error-code.js'

/** Numbers of RFC 8656 section 19, RFC 6062 section 6.3 and RFC 8489 section 14.8; what is not listed is ERR_RELAY_REFUSED. */
const byNumber: Readonly<Record<number, ErrorCode>> = {
  401: 'ERR_RELAY_CREDENTIALS',
  437: 'ERR_RELAY_LOST',
  420: 'ERR_RELAY_UNSUPPORTED',
  440: 'ERR_RELAY_UNSUPPORTED',
  441: 'ERR_RELAY_CREDENTIALS',
  442: 'ERR_RELAY_UNSUPPORTED',
  443: 'ERR_RELAY_PEER',
  447: 'ERR_RELAY_PEER',
  486: 'ERR_RELAY_QUOTA',
  508: 'ERR_RELAY_QUOTA',
}

/** An error a server answered with, its number, words and alternative as facts; control characters of the words are left out. */
export function relayRefusal(server: string, { code, reason }: StunError, isAboutPeer: boolean, alternate?: Endpoint): ThroughlineError {
  const words = reason.replaceAll(/\p{C}/gu, '')
  const own = code === 403 && isAboutPeer ? 'ERR_RELAY_PEER' : (byNumber[code] ?? 'ERR_RELAY_REFUSED')
  return new ThroughlineError(own, `${server} refused: ${code} ${words}`, {
    facts: { server, turnCode: code, reason: words, ...(alternate !== undefined && { alternate: formatEndpoint(alternate) }) },
  })
}

/** An error of the exchange with `server`, or of the way to it. */
export const relayError = (code: ErrorCode, server: string, what: string, cause?: unknown): ThroughlineError =>
  new ThroughlineError(code, `${server}: ${what}`, { facts: { server }, cause })

/** ERR_RELAY_TIMEOUT for `server`. */
export const relayTimeout = (server: string, timeoutMs: number): ThroughlineError => relayError('ERR_RELAY_TIMEOUT', server, `no answer in ${Math.round(timeoutMs)} ms`)

/** What a failed look-up, dial or TLS handshake means here; ERR_CANCELLED and ERR_RELAY_* stay. */
export function toRelayError(error: unknown, server: string): ThroughlineError {
  if (!ThroughlineError.is(error)) return relayError('ERR_RELAY_UNREACHABLE', server, String(error), error)
  if (error.code === 'ERR_CANCELLED' || error.code.startsWith('ERR_RELAY_')) return error
  return relayError(error.code.endsWith('_TIMEOUT') ? 'ERR_RELAY_TIMEOUT' : 'ERR_RELAY_UNREACHABLE', server, error.message, error)
}
