import { defaults } from '../../config/defaults.js'

/** When a request is sent over UDP, ms after the first time: each wait twice the last, at most `stun.maxSends` (RFC 8489 section 6.2.1), before `timeoutMs`. */
export function sendTimes(timeoutMs: number): readonly number[] {
  const { rtoMs, maxSends } = defaults.stun
  return Array.from({ length: maxSends }, (_, index) => rtoMs * (2 ** index - 1)).filter((atMs, index) => index === 0 || atMs < timeoutMs)
}
