import type { AttemptInput, PeerTarget } from '../../machines/attempt/attempt.types.js'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { planDials, type OwnAddress } from '../nat/dial-plan.js'
import type { Budget } from '../net/budget.js'
import type { RelayReach } from '../nat/relay/relay-reach.js'
import type { Volley } from '../nat/punch/volley.js'
import type { Channel } from '../net/channel.js'
import type { ChannelInProgress } from '../net/channel-progress.js'
import type { Clock } from '../net/clock.js'
import { OutgoingChannel, type OutgoingRequest } from '../net/outgoing-channel.js'
import { PunchChannel } from '../net/punch/punch-channel.js'
import { RelayChannel } from '../net/relay/relay-channel.js'
import type { SharedAllocation } from '../net/relay/shared-allocation.js'
import type { Securer } from '../net/secure.js'
import { formatEndpoint } from '../protocol/endpoint.js'
import type { Role } from '../protocol/frames.js'
import type { Access } from './access.js'

/** What dialling takes. */
export interface DiallerOptions {
  readonly securer: Securer
  readonly clock: Clock
  readonly budget: Budget
  readonly access: Access
  readonly own: () => readonly OwnAddress[]
  /** A relay allocation of ours. */
  readonly allocation: (id: string) => SharedAllocation | undefined
  /** Sends OPEN on a channel that needs no election. */
  readonly openAhead: (channel: Channel) => void
}

/** An attempt whose first SYN is to leave now. */
export type HeadStart = Pick<AttemptInput, 'sessionKey' | 'sessionId' | 'attemptId' | 'strategies' | 'mode'> & { readonly target: PeerTarget }

/**
 * Every SYN of the node leaves from here, within the safety rules. The first of an attempt leaves before its machines
 * are made, and they are made while the peer works on it; the candidate they plan for it takes it over.
 */
export class Dialler {
  readonly #options: DiallerOptions
  /** By session key; bounded by the attempts that run. */
  readonly #headStarts = new Map<string, { readonly way: string; readonly outgoing: OutgoingChannel }>()

  constructor(options: DiallerOptions) {
    this.#options = options
  }

  /** Starts the best direct dial; undefined where there is none that may be. Whoever reaches for it takes it over; `drop` ends it. */
  startAhead({ sessionKey, sessionId, attemptId, strategies, mode, target: { peerId, endpoints } }: HeadStart): OutgoingChannel | undefined {
    const isFirst = mode === 'race' ? strategies.includes('direct') : strategies[0] === 'direct'
    if (!isFirst || endpoints === undefined) return undefined
    const [best] = planDials({ ...endpoints, own: this.#options.own(), mayDialPrivate: true })
    if (best === undefined || best.skip !== undefined) return undefined
    const { remote, bind } = best
    const request: OutgoingRequest = { remote, bind, peerId, role: 'initiator', sessionKey, sessionId, attemptId, timeoutMs: defaults.dial.timeoutMs }
    const outgoing = this.#start(request)
    this.#headStarts.set(sessionKey, { way: wayOf(request), outgoing })
    return outgoing
  }

  /** The channel that has a head start, or a new one. The caller owns it. A dial on behalf of a stranger is short; throws ERR_BUDGET when its SYNs are used up. */
  reach(request: OutgoingRequest & { readonly volley?: Volley; readonly relay?: RelayReach }): ChannelInProgress {
    if (request.relay !== undefined) return this.#relay(request, request.relay)
    if (request.volley !== undefined) return this.#fire(request, request.volley)
    const { sessionKey, role, peerId, attemptId, timeoutMs, remote: { host } } = request
    const ahead = this.#headStarts.get(sessionKey)
    if (ahead?.way === wayOf(request)) {
      this.#headStarts.delete(sessionKey)
      return ahead.outgoing
    }
    if (!this.#isForStranger(peerId, role)) return this.#start(request)
    if (!this.synAllowance(peerId, role, attemptId)(host)) throw new ThroughlineError('ERR_BUDGET', `${host} was dialled often enough for strangers`)
    return this.#start({ ...request, timeoutMs: Math.min(timeoutMs, defaults.budget.strangerDialMs) })
  }

  /** Tells of each connect of an attempt whether it may be made, and counts it then: on behalf of a stranger it is to end within `budget.strangerDialMs`. */
  synAllowance(peerId: string, role: Role, attemptId: string, leftSyns = 0): (host: string) => boolean {
    return host => !this.#isForStranger(peerId, role) || this.#options.budget.takeStrangerDial(`${peerId} ${attemptId}`, host, leftSyns)
  }

  /** Its SYNs are counted one by one. */
  #fire(request: OutgoingRequest, volley: Volley): PunchChannel {
    const { peerId, role, attemptId, timeoutMs } = request
    const { securer, clock, budget, openAhead } = this.#options
    // a punch that is refused sends again until its share is used up; one connect is left for a relay
    const mayDial = this.synAllowance(peerId, role, attemptId, defaults.budget.synsPerDial)
    const limitMs = this.#isForStranger(peerId, role) ? defaults.budget.strangerDialMs : Number.POSITIVE_INFINITY
    const punch = {
      ...request, volley, timeoutMs: Math.min(timeoutMs, limitMs), maySend: () => mayDial(volley.remoteHost),
      takeTurn: (begin: () => void) => budget.birthdays.enter(attemptId, begin), onRefusal: () => budget.birthdays.noteRefusal(attemptId),
    }
    return new PunchChannel(role === 'initiator' ? { ...punch, openAhead } : punch, securer, clock, Math.random)
  }

  /** Its connects to the peer's relayed endpoint are counted one by one, also those a relay of ours makes. */
  #relay(request: OutgoingRequest, relay: RelayReach): RelayChannel {
    const { peerId, role, attemptId, timeoutMs, remote: { host } } = request
    const { securer, clock, openAhead, allocation } = this.#options
    const mayDial = this.synAllowance(peerId, role, attemptId)
    const limitMs = relay.way !== 'await' && this.#isForStranger(peerId, role) ? defaults.budget.strangerDialMs : Number.POSITIVE_INFINITY
    return new RelayChannel({
      ...request, relay, timeoutMs: Math.min(timeoutMs, limitMs), maySend: () => mayDial(host),
      allocation: relay.allocationId === undefined ? undefined : allocation(relay.allocationId),
      ...(role === 'initiator' && { openAhead }),
    }, securer, clock)
  }

  #isForStranger(peerId: string, role: Role): boolean {
    return role !== 'initiator' && !this.#options.access.isKnown(peerId)
  }

  /** Ends a head start that nobody took over. */
  drop(sessionKey: string): void {
    this.#headStarts.get(sessionKey)?.outgoing.abandon()
    this.#headStarts.delete(sessionKey)
  }

  #start(request: OutgoingRequest): OutgoingChannel {
    const { securer, clock, openAhead } = this.#options
    return new OutgoingChannel(request.role === 'initiator' ? { ...request, openAhead } : request, securer, clock)
  }
}

const wayOf = ({ bind, remote }: OutgoingRequest): string => `${bind ?? '*'} ${formatEndpoint(remote)}`
