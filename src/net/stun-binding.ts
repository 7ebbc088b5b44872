import { randomBytes } from 'node:crypto'
import { ThroughlineError } from '../errors/index.js'
import { formatEndpoint, type Endpoint } from '../protocol/endpoint.js'
import type { AskedBinding, BindingReply, ReplyVerdict } from '../protocol/stun/binding-exchange.js'
import { newTransaction, stunSizes } from '../protocol/stun/message.js'
import type { Settle } from './bounded.js'

/** What one server said about one socket of ours, as it said it: judging is the caller's. */
export interface StunBinding extends BindingReply {
  readonly transport: 'udp' | 'tcp'
  readonly server: Endpoint
  readonly local: Endpoint
  /** From the request to the reply; over UDP from the first time it was sent, so an upper bound where packets were lost. */
  readonly rttMs: number
}

/** A request on its way, as both transports keep it. */
export interface PendingBinding extends AskedBinding, Settle<StunBinding> {
  readonly sentAtMs: number
}

/** A transaction nobody else can guess (RFC 8489 section 5). */
export const randomTransaction = (): Buffer => newTransaction(randomBytes(stunSizes.transactionId))

/** ERR_STUN_TIMEOUT for `server`. */
export const stunTimeout = (server: Endpoint, timeoutMs: number): ThroughlineError =>
  new ThroughlineError('ERR_STUN_TIMEOUT', `${formatEndpoint(server)} did not answer in ${timeoutMs} ms`, { facts: { server: formatEndpoint(server) } })

/** ERR_STUN_BAD_REPLY for `server`. */
export const badReply = (server: Endpoint, reason: string): ThroughlineError =>
  new ThroughlineError('ERR_STUN_BAD_REPLY', `${formatEndpoint(server)}: ${reason}`, { facts: { server: formatEndpoint(server) } })

/** Settles the request a verdict is about; false when it is about none. */
export function settleBinding(verdict: ReplyVerdict<PendingBinding>, transport: 'udp' | 'tcp', local: Endpoint): boolean {
  if (verdict.outcome === 'foreign') return false
  const { server, sentAtMs, resolve, reject } = verdict.asked
  if (verdict.outcome === 'success') resolve({ ...verdict.reply, transport, server, local, rttMs: performance.now() - sentAtMs })
  else if (verdict.outcome === 'bad') reject(badReply(server, verdict.reason))
  else reject(refusal(server, verdict.error.code, verdict.error.reason))
  return true
}

/** ERR_STUN_REFUSED with the server's number and words as facts; control characters of the words are left out. */
function refusal(server: Endpoint, code: number, reason: string): ThroughlineError {
  const words = reason.replaceAll(/\p{C}/gu, '')
  return new ThroughlineError('ERR_STUN_REFUSED', `${formatEndpoint(server)} refused: ${code} ${words}`, { facts: { server: formatEndpoint(server), stunCode: code, reason: words } })
}
