import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import type { Hello } from '../protocol/frames.js'
import type { Channel } from './channel.js'
import type { Clock } from './clock.js'
import type { Socket } from './dial-socket.js'
import { protocolVersion, readHello } from './hello.js'
import type { OutgoingRequest } from './outgoing-channel.js'
import type { SecuredSocket, Securer } from './secure.js'

/** Whose channel it is to be, and what it is made of. */
export interface RoleRequest extends Pick<OutgoingRequest, 'role' | 'peerId' | 'sessionKey' | 'sessionId' | 'attemptId' | 'openAhead'> {
  readonly securer: Securer
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly toChannel: (secured: SecuredSocket) => Channel
}

/**
 * TLS and HELLO where neither side listens for everybody: on a punch port, and through a relay (protocol 5). The attempt's
 * initiator is TLS client, however the socket came up, and says HELLO first. Takes the socket over; the caller owns the
 * channel. Rejects ERR_SECURE_*, ERR_PEER_KEY_MISMATCH, ERR_CHANNEL_LOST, ERR_VERSION, ERR_PROTOCOL_VIOLATION (another
 * attempt) or ERR_CANCELLED; nothing is left behind then.
 */
export async function secureByRole(socket: Socket, request: RoleRequest): Promise<{ readonly channel: Channel; readonly hello: Hello }> {
  const { role, peerId, sessionKey, sessionId, attemptId, securer, clock, signal, toChannel, openAhead } = request
  const limit = { timeoutMs: defaults.dial.secureTimeoutMs, signal }
  const startedAtMs = clock.now()
  const isClient = role === 'initiator'
  const secured = await (isClient ? securer.client(socket, { ...limit, expectedId: peerId }) : securer.server(socket, { ...limit, expectedId: peerId }))
  const channel = toChannel(secured)
  channel.owner = sessionKey
  const own: Hello = { type: 'hello', version: protocolVersion, role, session: sessionId, attempt: attemptId }
  try {
    throwIfOver(signal)
    if (!isClient) await greeted(channel, own, { ...limit, timeoutMs: Math.max(1, limit.timeoutMs - (clock.now() - startedAtMs)) })
    channel.send(own)
    if (isClient) openAhead?.(channel)
    return { channel, hello: own }
  } catch (error) {
    channel.end()
    throw error
  }
}

/** Waits for the client's HELLO, which is for this attempt or in vain. */
function greeted(channel: Channel, { session, attempt }: Hello, limit: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<void> {
  return new Promise((resolve, reject) => {
    readHello(channel, limit, hello => {
      if (hello instanceof ThroughlineError) return reject(limit.signal.aborted ? cancelled() : hello)
      const isOurs = hello.role === 'initiator' && hello.session === session && hello.attempt === attempt
      if (isOurs) resolve()
      else reject(new ThroughlineError('ERR_PROTOCOL_VIOLATION', 'HELLO was for another attempt'))
    })
  })
}

function throwIfOver(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled()
}

const cancelled = () => new ThroughlineError('ERR_CANCELLED', 'securing was cancelled')
