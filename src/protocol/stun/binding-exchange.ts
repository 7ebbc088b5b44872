import type { Endpoint } from '../endpoint.js'
import { mappedAddress, otherAddress, changedAddress, responseOrigin, sourceAddress, xorMappedAddress } from './addresses.js'
import { attribute, readAttribute, unknownRequired, type AttributeCodec } from './attribute.js'
import { changeRequest, type Change } from './change-request.js'
import { errorCode, unknownAttributes, type StunError } from './error-code.js'
import { verifyFingerprint } from './fingerprint.js'
import { isSameHost } from './ip-bytes.js'
import { bindingMethod, closingTypes, decodeMessage, encodeMessage, isClassic, transactionKey, type StunMessage } from './message.js'
import { responsePort } from './response-port.js'
import { nonce, realm, username } from './texts.js'

/** A Binding request that waits for its reply. */
export interface AskedBinding {
  readonly server: Endpoint
  /** Where a reply to CHANGE-REQUEST comes from when the server does as asked; without it, the server. */
  readonly replyFrom?: Endpoint
}

/** What a server says in a success reply. Nothing in it is verified: servers err and lie. */
export interface BindingReply {
  /** The requester as the server sees it; of any family and scope. */
  readonly mapped: Endpoint
  /** The server's other address and other port. */
  readonly other?: Endpoint
  /** Where the server says the reply came from. */
  readonly origin?: Endpoint
  /** The server dials back as it says here (docs/protocol.md section 6). */
  readonly dialBack?: Change
  /** The server speaks RFC 3489. */
  readonly isClassic: boolean
}

/** What received bytes mean to requests that wait. `foreign` is for none of them: it is ignored. */
export type ReplyVerdict<T extends AskedBinding> =
  | { readonly outcome: 'foreign' }
  | { readonly outcome: 'success'; readonly asked: T; readonly reply: BindingReply }
  | { readonly outcome: 'refused'; readonly asked: T; readonly error: StunError }
  | { readonly outcome: 'bad'; readonly asked: T; readonly reason: string }

/** What a Binding request may ask for besides: who replies or dials back, and to which port of ours. */
export interface BindingWishes {
  readonly change?: Change
  readonly responsePort?: number
}

/** Writes a Binding request; `transaction` from `newTransaction`. */
export const encodeBindingRequest = (transaction: Buffer, { change, responsePort: port }: BindingWishes = {}): Buffer =>
  encodeMessage({ class: 'request', method: bindingMethod, transaction }, [
    ...(change === undefined ? [] : [attribute(changeRequest, change)]),
    ...(port === undefined ? [] : [attribute(responsePort, port)]),
  ])

/**
 * Judges bytes that came from `source`. `pending` holds requests by `transactionKey`. Only a reply to one of them, from the server asked
 * or from where its reply was asked to come, is anything but foreign; so who does not see the request cannot end it. Never throws.
 */
export function judgeReply<T extends AskedBinding>(bytes: Buffer, source: Endpoint, pending: ReadonlyMap<string, T>): ReplyVerdict<T> {
  const asked = pending.get(transactionKey(bytes) ?? '')
  if (asked === undefined) return { outcome: 'foreign' }
  const isExpected = isSameEndpoint(source, asked.replyFrom ?? asked.server)
  if (!isExpected && !isSameEndpoint(source, asked.server)) return { outcome: 'foreign' }
  const bad = (reason: string): ReplyVerdict<T> => ({ outcome: 'bad', asked, reason })
  try {
    const message = decodeMessage(bytes)
    if (message.method !== bindingMethod || (message.class !== 'success' && message.class !== 'error')) return bad('it is no reply to a Binding request')
    if (verifyFingerprint(message) === 'wrong') return bad('its fingerprint is wrong')
    const [unknown] = unknownRequired(message, understood)
    if (unknown !== undefined) return bad(`its attribute 0x${unknown.toString(16).padStart(4, '0')} must be understood and is not`)
    if (message.class === 'error') {
      const error = readAttribute(message, errorCode)
      return error === undefined ? bad('it is an error without a code') : { outcome: 'refused', asked, error }
    }
    if (!isExpected) return bad('it came from the endpoint that was asked to let another one reply')
    const reply = readReply(message)
    return reply === undefined ? bad('it names no mapped address') : { outcome: 'success', asked, reply }
  } catch {
    return bad('it is malformed')
  }
}

/** XOR-MAPPED-ADDRESS comes first: NATs exist that rewrite the other (RFC 8489 section 14.2). Throws ERR_MALFORMED when the mapped address is. */
function readReply(message: StunMessage): BindingReply | undefined {
  const xored = readAttribute(message, xorMappedAddress)
  const mapped = xored ?? readAttribute(message, mappedAddress)
  if (mapped === undefined) return undefined
  const other = readLeniently(message, otherAddress) ?? readLeniently(message, changedAddress)
  const origin = readLeniently(message, responseOrigin) ?? readLeniently(message, sourceAddress)
  const dialBack = readAttribute(message, changeRequest)
  return {
    mapped,
    ...(other !== undefined && { other }),
    ...(origin !== undefined && { origin }),
    ...(dialBack !== undefined && { dialBack }),
    isClassic: xored === undefined || isClassic(message),
  }
}

/** Servers without a second address fill these with zeros: no reason to lose the rest. */
function readLeniently<T>(message: StunMessage, codec: AttributeCodec<T>): T | undefined {
  try {
    return readAttribute(message, codec)
  } catch {
    return undefined
  }
}

/** Of RFC 3489 and reserved since: RESPONSE-ADDRESS, PASSWORD, REFLECTED-FROM. Old servers still send some. */
const retired = [0x0002, 0x0007, 0x000b]

const understood: ReadonlySet<number> = new Set([
  ...[mappedAddress, xorMappedAddress, sourceAddress, changedAddress, changeRequest, errorCode, unknownAttributes, username, realm, nonce].map(({ type }) => type),
  ...[closingTypes.integrity, closingTypes.integritySha256],
  ...retired,
])

const isSameEndpoint = (one: Endpoint, other: Endpoint): boolean => one.port === other.port && isSameHost(one.host, other.host)
