import { defaults } from '../../config/defaults.js'
import { ThroughlineError } from '../../errors/index.js'
import { ipScope } from '../../nat/ip-scope.js'
import { familyOf, parseEndpoint, type Endpoint } from '../../protocol/endpoint.js'
import { xorMappedAddress } from '../../protocol/stun/addresses.js'
import { attribute, readAttribute } from '../../protocol/stun/attribute.js'
import { xorRelayedAddress } from '../../protocol/turn/addresses.js'
import { isChannelData } from '../../protocol/turn/channel.js'
import { requestedFamily, requestedTransport } from '../../protocol/turn/choices.js'
import { turnMethods } from '../../protocol/turn/methods.js'
import { formatTurnUrl } from '../../protocol/turn-url.js'
import { Allocation, lifetimeOf } from './allocation.js'
import { countdown } from './countdown.js'
import type { TurnLink } from './link.js'
import { Permissions } from './permissions.js'
import { TurnRequests } from './requests.js'
import { connectServer, resolveServer } from './server-way.js'
import { StreamLink } from './stream-link.js'
import { relayError, toRelayError } from './turn-errors.js'
import type { AllocationRequest, TurnLimits } from './types.js'
import { openUdpLink } from './udp-link.js'

/**
 * Asks a server for an allocation that relays `transport`; also where the server says to ask instead, once (300), and once more from a fresh
 * port where it takes ours for an older one (437). The caller owns it. Rejects with ERR_RELAY_*, ERR_NO_INTERFACE or ERR_CANCELLED; nothing is left then.
 */
export async function openAllocation(request: AllocationRequest, transport: 'tcp' | 'udp'): Promise<Allocation> {
  const left = countdown(request)
  const name = formatTurnUrl(request.server)
  let endpoints = await resolveServer(request, left())
  for (const tried = new Set<unknown>(); ; ) {
    const link = await openLink(endpoints, request, transport, left())
    try {
      return await allocate(link, request, transport, left())
    } catch (error) {
      link.drop('ERR_CANCELLED', 'no allocation came of it')
      await link.closed
      const number = ThroughlineError.is(error) ? error.facts['turnCode'] : undefined
      if ((number !== 300 && number !== 437) || tried.has(number)) throw toRelayError(error, name)
      tried.add(number)
      endpoints = [number === 300 ? alternateOf(error, link.server) : link.server]
    }
  }
}

async function openLink(endpoints: readonly Endpoint[], request: AllocationRequest, transport: 'tcp' | 'udp', limits: TurnLimits): Promise<TurnLink> {
  const maxBytes = transport === 'tcp' ? defaults.stun.maxMessageBytes : defaults.turn.maxMessageBytes
  if (request.server.transport === 'tcp') {
    const { socket, endpoint } = await connectServer(endpoints, request, limits)
    return new StreamLink(socket, endpoint, maxBytes)
  }
  const [endpoint] = endpoints
  if (endpoint === undefined) throw relayError('ERR_RELAY_UNREACHABLE', formatTurnUrl(request.server), 'it has no address of a family that fits')
  return openUdpLink(endpoint, request.localAddress)
}

async function allocate(link: TurnLink, { server, realm, family = familyOf(link.server.host), peers = [] }: AllocationRequest, transport: 'tcp' | 'udp', limits: TurnLimits): Promise<Allocation> {
  const name = formatTurnUrl(server)
  const made: { allocation?: Allocation } = {}
  const requests = new TurnRequests({
    link, name, credentials: server,
    realm: realm?.nonce === '' ? undefined : realm,
    maxMessageBytes: defaults.turn.maxMessageBytes,
    onIndication: message => made.allocation?.onIndication(message) ?? false,
  })
  link.start({
    onMessage: bytes => (isChannelData(bytes) ? made.allocation?.onChannelData(bytes) : requests.receive(bytes)),
    onGone(code, reason) {
      const error = relayError(code, name, reason)
      requests.stop(error)
      made.allocation?.fail(error)
    },
  })
  const permissions = new Permissions(requests, name, family)
  const reply = await requests.ask({
    method: turnMethods.allocate,
    // without the attribute it is IPv4, which older servers understand too (RFC 8656 section 7.1)
    attributes: [attribute(requestedTransport, transport), ...(family === 6 ? [attribute(requestedFamily, family)] : [])],
    onSent: signed => void (signed !== undefined && permissions.askEarly(peers, limits)),
  }, limits)
  const relayed = readAttribute(reply, xorRelayedAddress)
  if (relayed === undefined || familyOf(relayed.host) !== family) throw relayError('ERR_RELAY_BAD_REPLY', name, 'it names no relayed address of the family asked for')
  const mapped = readAttribute(reply, xorMappedAddress) ?? link.local
  made.allocation = new Allocation({ name, link, requests, permissions, relayed, mapped, lifetimeMs: lifetimeOf(reply) })
  // in the same flight, mostly: a peer must not come before it may
  await permissions.permit(peers, limits).catch((error: unknown) => {
    if (limits.signal.aborted) throw error
  })
  made.allocation.over.throwIfAborted()
  return made.allocation
}

/** Throws ERR_RELAY_BAD_REPLY for one that no server sends who means it. */
function alternateOf(error: unknown, from: Endpoint): Endpoint {
  const text = ThroughlineError.is(error) ? error.facts['alternate'] : undefined
  const alternate = typeof text === 'string' ? parseEndpoint(text) : undefined
  if (alternate === undefined || familyOf(alternate.host) !== familyOf(from.host)) throw toRelayError(error, from.host)
  const scope = ipScope(alternate.host)
  // a server elsewhere must not send us to services of this machine
  if (scope === 'forbidden' || scope === 'link-local' || (scope === 'loopback' && ipScope(from.host) !== 'loopback')) {
    throw relayError('ERR_RELAY_BAD_REPLY', from.host, `it sends us to ${alternate.host}`)
  }
  return alternate
}
