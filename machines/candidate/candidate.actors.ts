import { fromCallback } from 'xstate'
import { defaults } from '../../src/config/defaults.js'
import { toFailure, type Failure } from '../../src/errors/index.js'
import { Channel } from '../../src/net/channel.js'
import type { Clock } from '../../src/net/clock.js'
import { dialSocket, type Socket } from '../../src/net/dial-socket.js'
import { protocolVersion } from '../../src/net/hello.js'
import type { ResourceTable } from '../../src/net/resource-table.js'
import type { Securer } from '../../src/net/secure.js'
import { formatEndpoint, parseEndpoint } from '../../src/protocol/endpoint.js'
import type { Hello, Role } from '../../src/protocol/frames.js'
import type { CandidateEvent, DialCandidateLogic, SecureSocketLogic } from './candidate.types.js'

/** What the candidate's actors work with. */
export interface CandidateResources {
  readonly sockets: ResourceTable<Socket>
  readonly channels: ResourceTable<Channel>
  readonly securer: Securer
  readonly clock: Clock
  /** The safety rules' last word before a SYN leaves; undefined = go. */
  readonly forbid: (dial: { readonly peerId: string; readonly role: Role; readonly host: string }) => Failure | undefined
  /** Takes over a channel a responder dialled: from here on it waits for the initiator's OPEN. */
  readonly serve: (channel: Channel, hello: Hello) => void
}

/** Actors for `candidateMachine.provide`. Sockets and channels nobody claimed are closed when their actor stops. */
export function createCandidateActors({ sockets, channels, securer, clock, forbid, serve }: CandidateResources) {
  const dialCandidate: DialCandidateLogic = fromCallback(({ input, sendBack }) => {
    const tell = (event: CandidateEvent) => sendBack(event)
    const { candidate, peerId, role, timeoutMs } = input
    const stop = new AbortController()
    const startedAtMs = clock.now()
    const cancelSlow = clock.after(defaults.dial.slowMs, () => tell({ type: 'dial.slow', startedAtMs }))
    const fail = (failure: Failure) => tell({ type: 'dial.failed', failure, startedAtMs, atMs: clock.now() })
    const run = async () => {
      const remote = parseEndpoint(candidate.remote)
      if (remote === undefined) return fail({ code: 'ERR_INTERNAL', message: 'no endpoint' })
      const forbidden = forbid({ peerId, role, host: remote.host })
      if (forbidden !== undefined) return fail(forbidden)
      const leftMs = Math.max(defaults.dial.minTimeoutMs, Math.min(timeoutMs, (candidate.deadlineAtMs ?? Number.POSITIVE_INFINITY) - startedAtMs))
      const socket = await dialSocket({ remote, timeoutMs: leftMs, signal: stop.signal, ...(candidate.bind !== undefined && { localAddress: candidate.bind }) })
      const socketId = sockets.add(socket, value => void value.destroy())
      if (stop.signal.aborted) return sockets.release(socketId)
      const local = formatEndpoint({ host: socket.localAddress ?? '', port: socket.localPort ?? 0 })
      const atMs = clock.now()
      tell({ type: 'dial.connected', socketId, local, startedAtMs, rttMs: atMs - startedAtMs, atMs })
    }
    run().catch((error: unknown) => fail(toFailure(error))).finally(cancelSlow)
    return () => {
      cancelSlow()
      stop.abort(left)
    }
  })

  const secureSocket: SecureSocketLogic = fromCallback(({ input, sendBack }) => {
    const tell = (event: CandidateEvent) => sendBack(event)
    const { socketId, peerId, role, sessionKey, sessionId, attemptId, timeoutMs } = input
    const stop = new AbortController()
    const run = async () => {
      const socket = sockets.take(socketId ?? '')
      if (socket === undefined) return tell({ type: 'secure.failed', failure: { code: 'ERR_INTERNAL', message: 'the socket is gone' }, atMs: clock.now() })
      const securing = securer.client(socket, { expectedId: peerId, timeoutMs, signal: stop.signal })
      tell({ type: 'secure.started' })
      const channel = new Channel(await securing)
      if (stop.signal.aborted) return channel.end()
      channel.owner = sessionKey
      const hello = { type: 'hello', version: protocolVersion, role, session: sessionId, attempt: attemptId } as const
      channel.send(hello)
      const channelId = channels.add(channel, value => value.end())
      tell({ type: 'secure.done', channelId, atMs: clock.now() })
      if (role !== 'responder') return
      channels.take(channelId)
      serve(channel, { ...hello, role: 'initiator' })
    }
    run().catch((error: unknown) => tell({ type: 'secure.failed', failure: toFailure(error), atMs: clock.now() }))
    return () => stop.abort(left)
  })

  return { dialCandidate, secureSocket }
}

/** Reason of an abort; without one each costs a DOMException with its stack. */
const left = 'the candidate has left the state'
