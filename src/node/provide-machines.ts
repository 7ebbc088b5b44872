import type { Observable } from 'rxjs'
import { createAttemptActors } from '../../machines/attempt/attempt.actors.js'
import { attemptMachine } from '../../machines/attempt/attempt.machine.js'
import type { AttemptEvent, OfferRequest, PeerTarget, PunchLetter } from '../../machines/attempt/attempt.types.js'
import { createCandidateActors, type CandidateResources } from '../../machines/candidate/candidate.actors.js'
import { candidateMachine } from '../../machines/candidate/candidate.machine.js'
import { createConnectionActors, type ConnectionResources } from '../../machines/connection/connection.actors.js'
import { connectionMachine } from '../../machines/connection/connection.machine.js'
import { createDialActors } from '../../machines/dial/dial.actors.js'
import { directMachine } from '../../machines/direct/direct.machine.js'
import { createPunchActors, type PunchResources } from '../../machines/punch/punch.actors.js'
import { punchMachine } from '../../machines/punch/punch.machine.js'
import { createPipeSessionActors } from '../../machines/pipe-session/pipe-session.actors.js'
import { pipeSessionMachine } from '../../machines/pipe-session/pipe-session.machine.js'
import { createRelayActors, type RelayResources } from '../../machines/relay/relay.actors.js'
import { relayMachine } from '../../machines/relay/relay.machine.js'
import { reverseMachine } from '../../machines/reverse/reverse.machine.js'
import { createSearchActors, type SearchResources } from '../../machines/search/search.actors.js'
import { searchMachine } from '../../machines/search/search.machine.js'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import type { OwnAddress } from '../nat/dial-plan.js'
import type { Budget } from '../net/budget.js'
import type { Session } from '../streams/session/session.js'
import type { Access } from './access.js'
import type { Handler } from './handlers.js'
import type { OfferDesk } from './offer-desk.js'
import type { Openings } from './openings.js'

/** What the machines of a connection are provided with. The registry and the desk need the machine themselves, so they come late. */
export interface MachineParts extends CandidateResources, Pick<PunchResources, 'birthday' | 'proven' | 'hold'>, Pick<RelayResources, 'holdRelays'> {
  readonly budget: Budget
  readonly access: Access
  readonly handler: (protocol: string) => Handler | undefined
  readonly own: () => readonly OwnAddress[]
  /** Resolves when no socket from these hosts is in TLS on our port. */
  readonly awaitInbound: (hosts: readonly string[], signal: AbortSignal) => Promise<void>
  readonly resolve: (sessionKey: string, signal: AbortSignal) => Promise<PeerTarget>
  readonly offer$: (request: OfferRequest, letters$: Observable<PunchLetter>) => Observable<AttemptEvent>
  readonly desk: () => OfferDesk
  readonly session: (sessionKey: string) => Session | undefined
  readonly openings: () => Openings
  /** See `SearchResources` and `ConnectionResources`. */
  readonly planPath: SearchResources['planPath']
  readonly quicken: ConnectionResources['quicken']
  readonly askByLetter: ConnectionResources['askByLetter']
  readonly endSearch: ConnectionResources['endSearch']
}

/** The connection machine with every actor of its tree. A new strategy's machine is provided here. */
export function provideConnectionMachine(parts: MachineParts): typeof connectionMachine {
  const pipeSession = createPipeSessionActors({
    session: parts.session,
    accept: (key, channelId) => parts.openings().accept(key, channelId),
    refuse: (channelId, failure) => parts.openings().refuse(channelId, failure),
  })
  const attempt = provideAttempt(parts)
  const own = createConnectionActors({
    authorize: (request, signal) => authorize(parts, request, signal),
    tellPending: (_key, channelId) => parts.openings().tellPending(channelId),
    refuseChannel: (channelId, failure) => parts.openings().refuse(channelId, failure),
    refuseOffer: (offerId, failure) => parts.desk().refuse(offerId, failure),
    quicken: parts.quicken,
    askByLetter: parts.askByLetter,
    askByChannel: (key, strategies) => parts.session(key)?.wantPath(strategies),
    endSearch: parts.endSearch,
  })
  return connectionMachine.provide({
    actors: {
      attempt,
      search: searchMachine.provide({ actors: { attempt, ...createSearchActors(parts) } }),
      pipeSession: pipeSessionMachine.provide({ actors: pipeSession.actors, actions: pipeSession.actions }),
      acceptOpen: pipeSession.acceptOpen,
      ...own.actors,
    },
    actions: own.actions,
  })
}

function provideAttempt(parts: MachineParts): typeof attemptMachine {
  const { clock, own, access, budget, resolve, offer$, awaitInbound, birthday, proven, hold, holdRelays } = parts
  const isKnown = (peerId: string) => access.isKnown(peerId)
  const candidate = candidateMachine.provide({ actors: createCandidateActors(parts) })
  const dialActors = {
    ...createDialActors({ clock, own, awaitInbound, isKnown, strangerDials: budget.strangerDialsPerOffer, maxCandidates: defaults.dial.maxCandidates, timeoutMs: defaults.dial.timeoutMs }),
    candidate,
  }
  const punchActors = { ...createPunchActors({ clock, own, isKnown, birthday, proven, hold, awaitsTurn: attemptId => budget.birthdays.isWaiting(attemptId), isRefused: attemptId => budget.birthdays.isRefused(attemptId) }), candidate }
  const relayActors = { ...createRelayActors({ clock, own, isKnown, holdRelays }), candidate }
  const { actors, actions } = createAttemptActors({
    resolve,
    offer$,
    answer$: (request, letters$) => parts.desk().answer$(request, letters$),
    open$: (key, channelId, reason) => parts.openings().open$(key, channelId, reason),
    endChannels: (key, exceptId) => parts.openings().endOthers(key, exceptId),
  })
  return attemptMachine.provide({
    actors: {
      ...actors,
      direct: directMachine.provide({ actors: dialActors }),
      reverse: reverseMachine.provide({ actors: dialActors }),
      punch: punchMachine.provide({ actors: punchActors }),
      relay: relayMachine.provide({ actors: relayActors }),
    },
    actions,
  })
}

type AuthorizeRequest = Parameters<Access['decide']>[0]

async function authorize({ handler, access }: MachineParts, request: AuthorizeRequest, signal: AbortSignal): ReturnType<Access['decide']> {
  if (access.denies(request.peerId)) throw new ThroughlineError('ERR_REFUSED', 'this node does not accept the peer')
  if (handler(request.protocol) === undefined) throw new ThroughlineError('ERR_UNHANDLED_PROTOCOL', `nobody handles ${request.protocol || 'the default protocol'} here`)
  return access.decide(request, signal)
}
