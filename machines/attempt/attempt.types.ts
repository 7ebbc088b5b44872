import type { CallbackActorLogic, ErrorActorEvent, PromiseActorLogic } from 'xstate'
import type { Failure } from '../../src/errors/index.js'
import type { ClockOffset } from '../../src/nat/clock-estimate.js'
import type { ProvenPath } from '../../src/nat/path-memory.js'
import type { Role } from '../../src/protocol/frames.js'
import type { InterfaceRecord } from '../../src/protocol/interface-record.js'
import type { RelayRecord } from '../../src/protocol/relay-record.js'
import type { StrategyName } from '../../src/protocol/strategy.js'
import type { CandidateRecord } from '../shared/candidate.types.js'
import type { ConnectionPolicy } from '../shared/policy.types.js'
import type { PeerEndpoints, StrategyReport } from '../shared/strategy.types.js'
import type { AttemptMode, Strategy } from '../strategies.js'

/** A peer as far as it is known: by address, by a look-up, or by its offer. */
export interface PeerTarget {
  readonly peerId: string
  readonly endpoints: PeerEndpoints | undefined
  /** Brokers (credential-free URLs) the peer can be asked by; empty = no signalling. */
  readonly brokers: readonly string[]
  /** How the last pipe to it from this network came up, where that is worth knowing. */
  readonly remembered?: ProvenPath
}

/** What an attempt is for; travels with OPEN. All but `dial` are for a pipe that is there. */
export type AttemptReason = 'dial' | 'recovery' | 'upgrade' | 'repath'

/** What an attempt starts from. */
export interface AttemptInput {
  readonly reason: AttemptReason
  readonly role: Role
  /** Of the session in the registry. */
  readonly sessionKey: string
  /** 32 hex digits, on the wire. */
  readonly sessionId: string
  readonly attemptId: string
  readonly protocol: string
  readonly strategies: readonly Strategy[]
  readonly mode: AttemptMode
  /** Responder: the initiator, from its offer. Initiator: the peer, where an address tells all; else it is resolved. */
  readonly target?: PeerTarget
  /** Responder: id of the offer, for the answer. */
  readonly offerId?: string
  readonly timeoutMs: number
  readonly startedAtMs: number
  readonly policy: ConnectionPolicy
}

/** A secured channel that waits to be opened. */
export interface ReadyChannel {
  readonly channelId: string
  readonly candidateId: string
}

/** What signalling did, for the report. */
export interface SignallingFacts {
  readonly published: boolean
  readonly acknowledged: boolean
  readonly answered: boolean
  /** No answer came, or none can: later rounds do not ask again. */
  readonly gaveUp: boolean
  /** The peer's wall clock minus ours, from the stamps of offer and answer. */
  readonly peerClock?: ClockOffset
  readonly failure: Failure | undefined
}

export interface AttemptContext extends AttemptInput {
  readonly known: PeerTarget | undefined
  readonly round: number
  readonly running: readonly Strategy[]
  /** Strategies of the round that start when the offer goes out. */
  readonly deferred: readonly Strategy[]
  /** Where the peer can hit us; undefined until the punch has gathered it. */
  readonly punch: readonly InterfaceRecord[] | undefined
  /** Of the punch that gathered it last. */
  readonly punchRound: number
  /** Where the peer can reach us through a relay; undefined until that is known. */
  readonly relay: readonly RelayRecord[] | undefined
  /** Why not. */
  readonly relayFailure: Failure | undefined
  /** The time is over in which a channel by relay waits for a better one. */
  readonly isGraceOver: boolean
  readonly candidates: Readonly<Record<string, CandidateRecord>>
  readonly ready: readonly ReadyChannel[]
  readonly electing: ReadyChannel | undefined
  readonly elected: ReadyChannel | undefined
  readonly signalling: SignallingFacts
  readonly failure: Failure | undefined
}

export type AttemptEvent =
  | StrategyReport
  /** The listener got a channel of this attempt (its HELLO names it). */
  | { readonly type: 'channel.arrived'; readonly channelId: string; readonly candidate: CandidateRecord }
  | { readonly type: 'exchange.published' }
  | { readonly type: 'exchange.acknowledged' }
  /** `strategies`: those the peer takes part in. `roundTripMs`: from the copy of the offer that was answered to its answer, without the time the peer had to think. */
  | { readonly type: 'exchange.answered'; readonly endpoints: PeerEndpoints; readonly roundTripMs: number; readonly strategies?: readonly StrategyName[]; readonly peerClock?: ClockOffset }
  | { readonly type: 'exchange.refused'; readonly failure: Failure }
  | { readonly type: 'exchange.failed'; readonly failure: Failure }
  /** Responder: the answer left; half a round trip by both brokers is `alignMs`. */
  | { readonly type: 'answer.sent'; readonly alignMs: number }
  | { readonly type: 'peer.updated'; readonly round: number; readonly punch: readonly InterfaceRecord[]; readonly relay: readonly RelayRecord[] }
  | { readonly type: 'peer.committed'; readonly round: number; readonly inMs: number }
  | { readonly type: 'open.accepted' }
  | { readonly type: 'open.pending' }
  | { readonly type: 'open.refused'; readonly failure: Failure }
  | { readonly type: 'open.lost'; readonly failure: Failure }
  /** A repeated offer of this attempt: the initiator's next round. */
  | { readonly type: 'offer.repeated'; readonly offerId: string; readonly strategies: readonly Strategy[]; readonly target: PeerTarget }
  | { readonly type: 'attempt.cancel'; readonly failure: Failure }
  /** A strategy's machine broke. */
  | ErrorActorEvent

/** How an attempt ends: an opened channel, or why there is none. */
export type AttemptOutput =
  | { readonly ok: true; readonly peerId: string; readonly channelId: string; readonly candidate: CandidateRecord; readonly target: PeerTarget | undefined }
  | { readonly ok: false; readonly failure: Failure }

export type ResolveOutput = { readonly ok: true; readonly target: PeerTarget } | { readonly ok: false; readonly failure: Failure }

/** Reads what the user wrote, which the session's entry keeps: an address holds a door key, so it never enters a machine. */
export type ResolvePeerLogic = PromiseActorLogic<ResolveOutput, { readonly sessionKey: string }>

/** What an initiator's offer says, and by which brokers it goes. */
export interface OfferRequest {
  readonly peerId: string
  readonly sessionKey: string
  readonly sessionId: string
  readonly attemptId: string
  readonly protocol: string
  /** The pipe is there already: whoever does not know it says so. */
  readonly established: boolean
  readonly strategies: readonly Strategy[]
  readonly brokers: readonly string[]
  /** Where we can be hit by a punch. */
  readonly punch: readonly InterfaceRecord[]
  /** Where we can be reached through a relay. */
  readonly relay: readonly RelayRecord[]
}

/** What a side tells the other after offer and answer: all its records anew, or (initiator) the moment to fire. */
export type PunchLetter =
  | { readonly type: 'update'; readonly round: number; readonly records: readonly InterfaceRecord[]; readonly relay: readonly RelayRecord[] }
  | { readonly type: 'commit'; readonly round: number; readonly inMs: number }

/** Publishes the offer to the homes of the peer, and then what it is sent; keeps listening for what comes back until it is stopped. */
export type ExchangeLogic = CallbackActorLogic<PunchLetter, OfferRequest>

/** What a responder's answer says. */
export interface AnswerRequest {
  readonly offerId: string
  readonly strategies: readonly Strategy[]
  /** Where we can be hit by a punch. */
  readonly punch: readonly InterfaceRecord[]
  /** Where we can be reached through a relay. */
  readonly relay: readonly RelayRecord[]
}

/** Answers an offer on the broker it came by, then on the others; then sends the updates it is sent, and listens like `ExchangeLogic`. */
export type AnswerLogic = CallbackActorLogic<PunchLetter, AnswerRequest>

/** Sends OPEN on a channel and tells what comes back; stopping it before ACCEPT ends the channel. */
export type OpenChannelLogic = CallbackActorLogic<AttemptEvent, { readonly channelId: string; readonly sessionKey: string; readonly reason: AttemptReason }>
