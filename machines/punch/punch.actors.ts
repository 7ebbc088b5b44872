import { fromCallback, fromPromise } from 'xstate'
import { defaults } from '../../src/config/defaults.js'
import type { OwnAddress } from '../../src/nat/dial-plan.js'
import type { ProvenPath } from '../../src/nat/path-memory.js'
import { mayBeDialled } from '../../src/nat/punch/may-be-dialled.js'
import { planVolleys, type PunchPlan } from '../../src/nat/punch/plan-volleys.js'
import type { PunchSite, Volley } from '../../src/nat/punch/volley.js'
import type { Clock } from '../../src/net/clock.js'
import { formatEndpoint } from '../../src/protocol/endpoint.js'
import type { InterfaceRecord } from '../../src/protocol/interface-record.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import { promptly } from '../shared/promptly.js'
import type { Aim, AimInput, PortsLogic, TakeAimLogic } from './punch.types.js'

/** The ports of one attempt. */
export interface PunchHold {
  /** The sites they make; at once where everything needed is warm. Rejects only by its signal. */
  gather(isSampling: boolean, signal: AbortSignal): readonly PunchSite[] | Promise<readonly PunchSite[]>
  /** Ends them; what no SYN left from may serve again. */
  release(wasUsed: boolean): void
}

/** What the punch's actors work with. */
export interface PunchResources {
  readonly clock: Clock
  readonly own: () => readonly OwnAddress[]
  /** Allowed, a contact, or accepted by the application's `authorize`. */
  readonly isKnown: (peerId: string) => boolean
  readonly birthday: 'auto' | 'off'
  /** A birthday punch of the attempt waits for those of others. */
  readonly awaitsTurn: (attemptId: string) => boolean
  /** The peer's NAT answered its SYNs. */
  readonly isRefused: (attemptId: string) => boolean
  /** How the last pipe between our network and that of the peer came up, which shows in what it states. */
  readonly proven: (peerId: string, peer: readonly InterfaceRecord[]) => ProvenPath | undefined
  readonly hold: () => PunchHold
}

/** Actors for `punchMachine.provide`. */
export function createPunchActors({ clock, own, isKnown, birthday, awaitsTurn, isRefused, proven, hold }: PunchResources) {
  const ports: PortsLogic = fromCallback(({ sendBack, receive }) => {
    const held = hold()
    const stop = new AbortController()
    let wasUsed = false
    let toldRound = 0
    receive(request => {
      if (request.type === 'ports.used') return void (wasUsed = true)
      const { round, isSampling } = request
      const tell = (sites: readonly PunchSite[]) => {
        if (round < toldRound) return
        toldRound = round
        sendBack({ type: 'sites.gathered', round, sites })
      }
      const sites = held.gather(isSampling, stop.signal)
      // a turn is worth a millisecond of the offer's way
      if (Array.isArray(sites)) return tell(sites as readonly PunchSite[])
      Promise.resolve(sites).then(found => stop.signal.aborted || tell(found), () => stop.signal.aborted || tell([]))
    })
    return () => {
      stop.abort('the punch is over')
      held.release(wasUsed)
    }
  })
  const aim = (input: AimInput): Aim => {
    const isFree = input.role === 'initiator' || isKnown(input.peerId)
    const plan = planVolleys({
      role: input.role, mine: input.sites, theirs: input.peer, own: own(), isSameMachine: input.isSameMachine, mayDialPrivate: isFree,
      birthday: birthday === 'off' ? 'off' : !isFree ? 'small' : isRefused(input.attemptId) ? 'refused' : 'full', round: input.round,
      // if it has led nowhere, all is tried as ever
      proven: input.planned.length === 0 ? proven(input.peerId, input.peer) : undefined,
    })
    // one that waits need not wait twice
    const isHeld = awaitsTurn(input.attemptId)
    const volleys = plan.volleys.filter(({ bursts }) => bursts === undefined || !isHeld).map(volley => behindOthers(volley, input))
    return toAim({ ...plan, volleys }, input, clock.now(), isFree ? defaults.punch.maxVolleys : defaults.punch.strangerVolleys)
  }
  const takeAim: TakeAimLogic = promptly(fromPromise(async ({ input }) => aim(input)), aim)
  return { ports, takeAim }
}

function toAim({ volleys, skipped }: PunchPlan, { round, planned }: AimInput, nowMs: number, limit: number): Aim {
  const isNew = (key: string) => !planned.includes(key)
  const started = planned.filter(key => !key.startsWith(skipMark)).length
  const chosen = volleys.map(volley => ({ volley, key: keyOf(volley, round) })).filter(({ key }) => isNew(key)).slice(0, Math.max(0, limit - started))
  const left = skipped.map(one => ({ one, key: `${skipMark} ${one.local} ${formatEndpoint(one.remote)}` })).filter(({ key }) => isNew(key))
  // numbered through, so that a later plan never takes the id of an earlier candidate
  const idOf = (index: number) => `punch-${planned.length + index + 1}`
  const deadlineAtMs = nowMs + defaults.punch.volleyMs
  return {
    volleys: chosen.map(({ volley }, index) => ({ candidate: toCandidate(volley, idOf(index), deadlineAtMs), volley })),
    skipped: left.map(({ one: { family, scope, local, remote, code } }, index): CandidateRecord => ({
      id: idOf(chosen.length + index), strategy: 'punch', scope, family, local, remote: formatEndpoint(remote), status: 'skipped', startedAtMs: nowMs, updatedAtMs: nowMs,
      error: { code, message: 'left out by the safety rules or for want of a port' },
    })),
    keys: [...chosen, ...left].map(({ key }) => key),
  }
}

/** Plain dials go first where they may come through, as before an offer: they cost less, and are what people expect to see. */
function behindOthers(volley: Volley, { beside, sites, peer }: AimInput): Volley {
  const hasRival = beside.some(strategy => strategy === 'direct' || strategy === 'reverse')
  return hasRival && mayBeDialled(volley, sites, peer) ? { ...volley, delayMs: volley.delayMs + defaults.attempt.offerHoldMs } : volley
}

/** Begins the key of what was left out. */
const skipMark = 'skipped'

/** The same volley is not fired twice, but for foretold, fresh and random ports: in a later round they are others. */
function keyOf({ method, host, localPorts, remoteHost, remotePorts }: Volley, round: number): string {
  const isNewMapping = method === 'predicted' || method === 'birthday' || localPorts.includes(0)
  return [method, host, localPorts[0], remoteHost, remotePorts[0], ...(isNewMapping ? [round] : [])].join(' ')
}

const toCandidate = ({ method, scope, family, host, localPorts, remoteHost, remotePorts }: Volley, id: string, deadlineAtMs: number): Candidate => ({
  id, strategy: 'punch', method, scope, family, local: localPorts[0] ? formatEndpoint({ host, port: localPorts[0] }) : host,
  remote: formatEndpoint({ host: remoteHost, port: remotePorts[0] ?? 0 }), bind: host, deadlineAtMs,
})
