import { fromCallback, fromPromise } from 'xstate'
import { defaults } from '../../src/config/defaults.js'
import type { OwnAddress } from '../../src/nat/dial-plan.js'
import { planWays as planAll, type PlannedWay } from '../../src/nat/relay/plan-ways.js'
import type { Clock } from '../../src/net/clock.js'
import { formatEndpoint } from '../../src/protocol/endpoint.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import { promptly } from '../shared/promptly.js'
import type { PeerEndpoints, StrategyInput } from '../shared/strategy.types.js'
import type { PlanWaysInput, PlanWaysLogic, RelaysEvent, RelaysLogic, Ways } from './relay.types.js'

/** The relayed endpoints of one attempt. What it tells, it may tell in the call that asks. */
export interface RelayHold {
  /** Asks our servers for one; told as `relay.allocated` or `relay.unavailable`. */
  allocate(peer: PeerEndpoints | undefined): void
  /** Lets the peer in where it says it comes from; another relayed endpoint, where it needs one, is told too. */
  permit(peer: PeerEndpoints): void
  /** Gives them back, but for those through which channels run. Nothing is told any more. */
  release(): void
}

/** What the relay's actors work with. */
export interface RelayResources {
  readonly clock: Clock
  readonly own: () => readonly OwnAddress[]
  /** Allowed, a contact, or accepted by the application's `authorize`. */
  readonly isKnown: (peerId: string) => boolean
  readonly holdRelays: (whose: Pick<StrategyInput, 'peerId' | 'role'>, tell: (event: RelaysEvent) => void) => RelayHold
}

/** Actors for `relayMachine.provide`. */
export function createRelayActors({ clock, own, isKnown, holdRelays }: RelayResources) {
  const relays: RelaysLogic = fromCallback(({ input, sendBack, receive }) => {
    const held = holdRelays(input, sendBack)
    receive(request => {
      if (request.type === 'relay.allocate') held.allocate(request.peer)
      else held.permit(request.peer)
    })
    return () => held.release()
  })
  const plan = ({ role, peerId, beside, own: ours, peer, failed, planned }: PlanWaysInput): Ways => {
    const isFree = role === 'initiator' || isKnown(peerId)
    const ways = planAll({ own: ours, peer: peer?.relay ?? [], addresses: own(), isSameMachine: peer?.isSameMachine ?? false, mayDialPrivate: isFree, failed })
    const fresh = ways.filter(({ key }) => !planned.includes(key))
    const chosen = fresh.filter(({ skip }) => skip === undefined).slice(0, Math.max(0, defaults.relay.maxCandidates - planned.length))
    const left = fresh.filter(way => !chosen.includes(way))
    // numbered through, so that a later plan never takes the id of an earlier candidate
    const idOf = (index: number) => `relay-${planned.length + index + 1}`
    const nowMs = clock.now()
    const isAlone = beside.every(strategy => strategy === 'relay')
    return {
      candidates: chosen.map((way, index) => ({ candidate: toCandidate(way, idOf(index)), relay: toReach(way, isAlone), key: way.key })),
      skipped: left.map((way, index) => toSkipped(way, idOf(chosen.length + index), nowMs)),
      keys: [...chosen, ...left].map(({ key }) => key),
    }
  }
  const planWays: PlanWaysLogic = promptly(fromPromise(async ({ input }) => plan(input)), plan)
  return { relays, planWays }
}

const toReach = ({ way, server, allocationId }: PlannedWay, isAlone: boolean) => ({ way, server, isAlone, ...(allocationId !== undefined && { allocationId }) })

const toCandidate = ({ family, remote, server, bind }: PlannedWay, id: string): Candidate => ({
  id, strategy: 'relay', scope: 'external', family, local: bind ?? '', remote: formatEndpoint(remote), relay: server, ...(bind !== undefined && { bind }),
})

const toSkipped = (way: PlannedWay, id: string, nowMs: number): CandidateRecord => ({
  ...toCandidate(way, id), local: '', status: 'skipped', startedAtMs: nowMs, updatedAtMs: nowMs,
  error: { code: way.skip ?? 'ERR_BUDGET', message: way.skip === undefined ? 'more candidates than a relay may cost' : 'left out by the safety rules or for want of a route' },
})
