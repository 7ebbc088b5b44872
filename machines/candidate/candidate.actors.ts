import { fromCallback } from 'xstate'
import { defaults } from '../../src/config/defaults.js'
import { ThroughlineError, toFailure } from '../../src/errors/index.js'
import type { Volley } from '../../src/nat/punch/volley.js'
import type { Channel } from '../../src/net/channel.js'
import type { ChannelInProgress, ChannelStep } from '../../src/net/channel-progress.js'
import type { RelayReach } from '../../src/nat/relay/relay-reach.js'
import type { Clock } from '../../src/net/clock.js'
import type { OutgoingRequest } from '../../src/net/outgoing-channel.js'
import type { ResourceTable } from '../../src/net/resource-table.js'
import { parseEndpoint } from '../../src/protocol/endpoint.js'
import type { Hello } from '../../src/protocol/frames.js'
import type { CandidateEvent, ReachPeerLogic } from './candidate.types.js'

/** What the candidate's actor works with. */
export interface CandidateResources {
  readonly channels: ResourceTable<Channel>
  readonly clock: Clock
  /** Starts a channel, or finds the one that has a head start. Throws what the safety rules say against it. */
  readonly reach: (request: OutgoingRequest & { readonly volley?: Volley; readonly relay?: RelayReach }) => ChannelInProgress
  /** Takes over a channel a responder dialled: from here on it waits for the initiator's OPEN. */
  readonly serve: (channel: Channel, hello: Hello) => void
}

/** Actors for `candidateMachine.provide`. A channel nobody claimed is closed when its actor stops. */
export function createCandidateActors({ channels, clock, reach, serve }: CandidateResources) {
  const reachPeer: ReachPeerLogic = fromCallback(({ input, sendBack }) => {
    const tell = (event: CandidateEvent) => sendBack(event)
    const { candidate: { remote: text, bind, deadlineAtMs = Number.POSITIVE_INFINITY }, role } = input
    let outgoing: ChannelInProgress
    try {
      // a volley that only listens has no remote port yet
      const remote = input.volley === undefined ? parseEndpoint(text) : { host: input.volley.remoteHost, port: input.volley.remotePorts[0] ?? 0 }
      if (remote === undefined) throw new ThroughlineError('ERR_INTERNAL', 'no endpoint')
      const timeoutMs = Math.max(defaults.dial.minTimeoutMs, Math.min(input.timeoutMs, deadlineAtMs - clock.now()))
      outgoing = reach({ ...input, remote, bind, timeoutMs })
    } catch (error) {
      return tell({ type: 'dial.failed', failure: toFailure(error), local: bind ?? '', startedAtMs: clock.now(), atMs: clock.now() })
    }
    const { startedAtMs } = outgoing
    const cancelSlow = clock.after(defaults.dial.slowMs, () => tell({ type: 'dial.slow', local: outgoing.local, startedAtMs }))
    outgoing.follow(step => {
      cancelSlow()
      if (step.type === 'connected') return tell({ type: 'dial.connected', local: outgoing.local, startedAtMs, rttMs: step.rttMs, atMs: step.atMs, ...(step.remote !== undefined && { remote: step.remote }) })
      if (step.type === 'failed') return tell(failed(step, outgoing))
      const channelId = channels.add(step.channel, channel => channel.end())
      // TCP's handshake came to the relay only
      tell({ type: 'secure.done', channelId, atMs: step.atMs, ...(input.relay !== undefined && { rttMs: step.channel.rttMs }) })
      if (role !== 'responder') return
      channels.take(channelId)
      serve(step.channel, { ...step.hello, role: 'initiator' })
    })
    return () => {
      cancelSlow()
      outgoing.abandon()
    }
  })
  return { reachPeer }
}

const failed = ({ failure, atMs }: ChannelStep & { readonly type: 'failed' }, { isConnected, local, startedAtMs }: ChannelInProgress): CandidateEvent =>
  (isConnected ? { type: 'secure.failed', failure, atMs } : { type: 'dial.failed', failure, local, startedAtMs, atMs })
