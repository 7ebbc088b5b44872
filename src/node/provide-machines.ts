import type { Observable } from 'rxjs'
import { createAttemptActors } from '../../machines/attempt/attempt.actors.js'
import { attemptMachine } from '../../machines/attempt/attempt.machine.js'
import type { AttemptEvent, OfferRequest, PeerTarget, PunchLetter } from '../../machines/attempt/attempt.types.js'
import { createCandidateActors, type CandidateResources } from '../../machines/candidate/candidate.actors.js'
import { candidateMachine } from '../../machines/candidate/candidate.machine.js'
import { createConnectionActors } from '../../machines/connection/connection.actors.js'
import { connectionMachine } from '../../machines/connection/connection.machine.js'
import { createDialActors } from '../../machines/dial/dial.actors.js'
import { directMachine } from '../../machines/direct/direct.machine.js'
import { createPunchActors, type PunchResources } from '../../machines/punch/punch.actors.js'
import { punchMachine } from '../../machines/punch/punch.machine.js'
import { createPipeSessionActors } from '../../machines/pipe-session/pipe-session.actors.js'
import { pipeSessionMachine } from '../../machines/pipe-session/pipe-session.machine.js'
import { reverseMachine } from '../../machines/reverse/reverse.machine.js'
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
export interface MachineParts extends CandidateResources, Pick<PunchResources, 'birthday' | 'proven' | 'hold'> {
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
}

/** The connection machine with every actor of its tree. A new strategy's machine is provided here. */
export function provideConnectionMachine(parts: MachineParts): typeof connectionMachine {
  const pipeSession = createPipeSessionActors({
    session: parts.session,
    accept: (key, channelId) => parts.openings().accept(key, channelId),
  })
  return connectionMachine.provide({
    actors: {
      attempt: provideAttempt(parts),
      pipeSession: pipeSessionMachine.provide(pipeSession),
      acceptOpen: pipeSession.actors.acceptOpen,
      ...createConnectionActors({
        authorize: (request, signal) => authorize(parts, request, signal),
        tellPending: (_key, channelId) => parts.openings().tellPending(channelId),
        refuseChannel: (channelId, failure) => parts.openings().refuse(channelId, failure),
        refuseOffer: (offerId, failure) => parts.desk().refuse(offerId, failure),
      }),
    },
  })
}

function provideAttempt(parts: MachineParts): typeof attemptMachine {
  const { clock, own, access, budget, resolve, offer$, awaitInbound, birthday, proven, hold } = parts
  const isKnown = (peerId: string) => access.isKnown(peerId)
  const candidate = candidateMachine.provide({ actors: createCandidateActors(parts) })
  const dialActors = {
    ...createDialActors({ clock, own, awaitInbound, isKnown, strangerDials: budget.strangerDialsPerOffer, maxCandidates: defaults.dial.maxCandidates, timeoutMs: defaults.dial.timeoutMs }),
    candidate,
  }
  const punchActors = { ...createPunchActors({ clock, own, isKnown, birthday, proven, hold, awaitsTurn: attemptId => budget.birthdays.isWaiting(attemptId), isRefused: attemptId => budget.birthdays.isRefused(attemptId) }), candidate }
  const { actors, actions } = createAttemptActors({
    resolve,
    offer$,
    answer$: (offerId, strategies, punch, letters$) => parts.desk().answer$(offerId, strategies, punch, letters$),
    open$: (key, channelId) => parts.openings().open$(key, channelId),
    endChannels: (key, exceptId) => parts.openings().endOthers(key, exceptId),
  })
  return attemptMachine.provide({
    actors: {
      ...actors,
      direct: directMachine.provide({ actors: dialActors }),
      reverse: reverseMachine.provide({ actors: dialActors }),
      punch: punchMachine.provide({ actors: punchActors }),
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
