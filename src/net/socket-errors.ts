import type { ErrorCode } from '../errors/index.js'
import { ThroughlineError } from '../errors/index.js'

/** The platform's errors of a dial, as ours. What is not listed is ERR_DIAL_UNREACHABLE. */
const byErrno: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'ERR_DIAL_REFUSED',
  ECONNRESET: 'ERR_DIAL_REFUSED',
  EHOSTUNREACH: 'ERR_DIAL_UNREACHABLE',
  ENETUNREACH: 'ERR_DIAL_UNREACHABLE',
  EHOSTDOWN: 'ERR_DIAL_UNREACHABLE',
  ETIMEDOUT: 'ERR_DIAL_TIMEOUT',
  EADDRNOTAVAIL: 'ERR_DIAL_LOCAL',
  EADDRINUSE: 'ERR_DIAL_LOCAL',
  EACCES: 'ERR_DIAL_LOCAL',
  EPERM: 'ERR_DIAL_LOCAL',
  EMFILE: 'ERR_DIAL_LOCAL',
  ENFILE: 'ERR_DIAL_LOCAL',
}

/** The errno text of a Node system error, or ''. */
export const errnoOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** Maps what a failed connect threw; `remote` is named in the message. */
export function toDialError(error: unknown, remote: string): ThroughlineError {
  const errno = errnoOf(error)
  const code = byErrno[errno] ?? 'ERR_DIAL_UNREACHABLE'
  return new ThroughlineError(code, `${remote}: ${errno || String(error)}`, { cause: error, facts: { remote } })
}
