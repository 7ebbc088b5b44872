import type { Endpoint } from '../endpoint.js'
import { alternateServer, xorMappedAddress } from '../stun/addresses.js'
import { readAttribute, unknownRequired, type EncodableAttribute } from '../stun/attribute.js'
import { errorCode, unknownAttributes, type StunError } from '../stun/error-code.js'
import { signMessage, verifyIntegrity } from '../stun/integrity.js'
import { closingTypes, encodeMessage, type StunMessage } from '../stun/message.js'
import { nonce, realm, username } from '../stun/texts.js'
import { xorPeerAddress, xorRelayedAddress } from './addresses.js'
import { channelNumber } from './channel.js'
import { requestedFamily, requestedTransport } from './choices.js'
import { data } from './data.js'
import { credentialAttributes, readRealm, signingKey, type SigningKey, type TurnCredentials, type TurnRealm } from './long-term.js'
import { connectionId, lifetime } from './numbers.js'
import { passwordAlgorithm } from './password-algorithms.js'

/** A request that waits for its reply. */
export interface AskedTurn {
  readonly method: number
  /** With what it was signed; undefined: it was not. */
  readonly signed?: SigningKey
}

/** What a reply means. A `challenge` is to be met with what it tells; a `forged` one was not sent by whoever knows the password. */
export type TurnVerdict =
  | { readonly outcome: 'success' }
  | { readonly outcome: 'challenge'; readonly error: StunError; readonly realm: TurnRealm }
  | { readonly outcome: 'refused'; readonly error: StunError; readonly alternate?: Endpoint }
  | { readonly outcome: 'forged' }
  | { readonly outcome: 'bad'; readonly reason: string }

/** Writes a request, signed as soon as the realm is known; also returns what its reply is checked with. `transaction` from `newTransaction`. */
export function encodeTurnRequest(
  method: number, transaction: Buffer, attributes: readonly EncodableAttribute[], credentials: TurnCredentials, known: TurnRealm | undefined,
): { readonly bytes: Buffer; readonly asked: AskedTurn } {
  const header = { class: 'request', method, transaction } as const
  if (known === undefined) return { bytes: encodeMessage(header, attributes), asked: { method } }
  const signed = signingKey(credentials, known)
  const message = encodeMessage(header, [...attributes, ...credentialAttributes(credentials.username, known)])
  return { bytes: signMessage(message, signed.key, signed.kind), asked: { method, signed } }
}

/**
 * Judges the reply to a request (RFC 8489 section 9.2.5). A success has to be signed when the request was; an error may come without, since
 * not every server can sign each of them. Never throws.
 */
export function judgeTurnReply(message: StunMessage, { method, signed }: AskedTurn): TurnVerdict {
  try {
    if (message.method !== method || (message.class !== 'success' && message.class !== 'error')) return bad('it is no reply to what was asked')
    const integrity = signed === undefined ? 'absent' : verifyIntegrity(message, signed.key, signed.kind)
    const isSuccess = message.class === 'success'
    if (integrity === 'wrong' || (isSuccess && signed !== undefined && integrity === 'absent')) return { outcome: 'forged' }
    const [unknown] = unknownRequired(message, understood)
    if (unknown !== undefined) return bad(`its attribute 0x${unknown.toString(16).padStart(4, '0')} must be understood and is not`)
    return isSuccess ? { outcome: 'success' } : judgeError(message)
  } catch {
    return bad('it is malformed')
  }
}

function judgeError(message: StunMessage): TurnVerdict {
  const error = readAttribute(message, errorCode)
  if (error === undefined) return bad('it is an error without a code')
  const known = error.code === 401 || error.code === 438 ? readRealm(message) : undefined
  if (known !== undefined) return { outcome: 'challenge', error, realm: known }
  const alternate = error.code === 300 ? readAttribute(message, alternateServer) : undefined
  return { outcome: 'refused', error, ...(alternate !== undefined && { alternate }) }
}

const bad = (reason: string): TurnVerdict => ({ outcome: 'bad', reason })

/** RESERVATION-TOKEN (0x0022) is nothing to us, and no reason to lose an allocation. */
const understood: ReadonlySet<number> = new Set([
  errorCode.type, unknownAttributes.type, xorMappedAddress.type, 0x0001, username.type, realm.type, nonce.type, passwordAlgorithm.type,
  xorPeerAddress.type, xorRelayedAddress.type, lifetime.type, connectionId.type, channelNumber.type, requestedFamily.type, requestedTransport.type, data.type,
  0x0022, closingTypes.integrity, closingTypes.integritySha256,
])
