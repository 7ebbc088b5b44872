import type { Endpoint } from '../endpoint.js'
import { changedAddress, mappedAddress, otherAddress, responseOrigin, sourceAddress, xorMappedAddress } from './addresses.js'
import { attribute, readAttribute, unknownRequired, type EncodableAttribute } from './attribute.js'
import { changedOrigin, changeRequest, type Change } from './change-request.js'
import { errorCode, unknownAttributes } from './error-code.js'
import { addFingerprint, verifyFingerprint } from './fingerprint.js'
import { bindingMethod, closingTypes, decodeMessage, encodeMessage, isClassic, type StunMessage } from './message.js'
import { responsePort } from './response-port.js'
import { username } from './texts.js'

/** One of the responder's endpoints, as it took a request. */
export interface ResponderPlace {
  readonly transport: 'udp' | 'tcp'
  /** Undefined host: a wildcard, of which the responder does not know which address was asked. */
  readonly local: { readonly host: string | undefined; readonly port: number }
  readonly other: { readonly host: string | undefined; readonly port: number }
}

/** What to send, and what to change: over UDP the endpoint it is sent from, over TCP who dials back afterwards. */
export interface BindingAnswer {
  readonly bytes: Buffer
  readonly change: Change
  /** RESPONSE-PORT: to this port of the requester instead. */
  readonly port: number
}

/**
 * Answers one Binding request that came from `source` (RFC 8489 section 6.3.1, RFC 5780 section 6.1; RFC 3489 where it has no magic
 * cookie); undefined for all that gets no answer. Over TCP a CHANGE-REQUEST asks for a dial-back (docs/protocol.md section 6): `mayDialBack`
 * is asked then, and false makes the answer an error 500. Over UDP the answer is at most 100 bytes, or 40 more than the request. Never throws.
 */
export function answerBinding(bytes: Buffer, source: Endpoint, place: ResponderPlace, mayDialBack: () => boolean = () => false): BindingAnswer | undefined {
  try {
    const request = decodeMessage(bytes)
    if (request.class !== 'request' || request.method !== bindingMethod) return undefined
    const fingerprint = verifyFingerprint(request)
    if (fingerprint === 'wrong') return undefined
    const { reply, change } = decide(request, source, place, mayDialBack)
    return { bytes: fingerprint === 'valid' ? addFingerprint(reply) : reply, change, port: readAttribute(request, responsePort) ?? source.port }
  } catch {
    return undefined
  }
}

function decide(request: StunMessage, source: Endpoint, place: ResponderPlace, mayDialBack: () => boolean): { reply: Buffer; change: Change } {
  const refuse = (code: number, reason: string, more: readonly EncodableAttribute[] = []) =>
    ({ reply: write(request, 'error', [attribute(errorCode, { code, reason }), ...more]), change: noChange })
  const unknown = unknownRequired(request, understood)
  const change = readAttribute(request, changeRequest) ?? noChange
  // RFC 5780 section 6.1: who has no second address does not know the attribute
  const cannotChange = change.address && place.other.host === undefined ? [changeRequest.type] : []
  if (unknown.length + cannotChange.length > 0) return refuse(420, 'Unknown Attribute', [attribute(unknownAttributes, [...unknown, ...cannotChange])])
  const isDialBack = place.transport === 'tcp' && (change.address || change.port)
  if (isDialBack && !mayDialBack()) return refuse(500, 'Too many dial-backs')
  const marks = isDialBack ? [attribute(changeRequest, change)] : []
  return { reply: write(request, 'success', [...whereabouts(request, source, place, change), ...marks]), change }
}

function whereabouts(request: StunMessage, source: Endpoint, { transport, local, other }: ResponderPlace, change: Change): EncodableAttribute[] {
  const classic = isClassic(request)
  const here = known(local)
  const there = known(other)
  const origin = here && (transport === 'udp' ? changedOrigin(here, there ?? { ...here, port: other.port }, change) : here)
  return [
    attribute(classic ? mappedAddress : xorMappedAddress, source),
    ...(origin === undefined ? [] : [attribute(classic ? sourceAddress : responseOrigin, origin)]),
    ...(there === undefined ? [] : [attribute(classic ? changedAddress : otherAddress, there)]),
  ]
}

const known = ({ host, port }: ResponderPlace['local']): Endpoint | undefined => (host === undefined ? undefined : { host, port })

const write = ({ transaction }: StunMessage, kind: 'success' | 'error', attributes: readonly EncodableAttribute[]): Buffer =>
  encodeMessage({ class: kind, method: bindingMethod, transaction }, attributes)

const noChange: Change = { address: false, port: false }

/** Credentials are not asked for, and ignored where they come (RFC 8489 section 9.1.3 is for who asks). */
const understood: ReadonlySet<number> = new Set([changeRequest.type, responsePort.type, username.type, closingTypes.integrity, closingTypes.integritySha256])
