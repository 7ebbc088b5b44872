import { fromPromise } from 'xstate'
import type { Clock } from '../../src/net/clock.js'
import { sourceFor } from '../../src/net/interfaces.js'
import { planDials, type OwnAddress, type PlannedDial } from '../../src/nat/dial-plan.js'
import { formatEndpoint } from '../../src/protocol/endpoint.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import type { PlanCandidatesLogic, PlanInput } from './dial.types.js'

/** What planning looks at. */
export interface DialResources {
  readonly clock: Clock
  readonly own: () => readonly OwnAddress[]
  /** Allowed, a contact, or accepted by the application's `authorize`. */
  readonly isKnown: (peerId: string) => boolean
  /** Resolves when no socket from these hosts is in TLS on our port, or a short limit has passed. */
  readonly awaitInbound: (hosts: readonly string[], signal: AbortSignal) => Promise<void>
  /** Dials a stranger's offer may cause. */
  readonly strangerDials: number
  readonly maxCandidates: number
}

/** Actors for the machines made by `createDialMachine`. */
export function createDialActors(resources: DialResources) {
  const planCandidates: PlanCandidatesLogic = fromPromise(async ({ input, signal }) => {
    // an initiator that is on its way to us needs no dial from us; its OPEN ends this attempt
    if (input.role === 'responder') await resources.awaitInbound(hostsOf(input), signal)
    const isFree = input.role === 'initiator' || resources.isKnown(input.peerId)
    const own = resources.own()
    const planned = planDials({
      interfaces: input.endpoints?.interfaces ?? [], own, isSameMachine: input.endpoints?.isSameMachine ?? false, mayDialPrivate: isFree,
    })
    const fresh = planned.map((dial, index) => ({ dial, key: keyOf(dial), index })).filter(({ key }) => !input.planned.includes(key))
    const first = input.planned.length
    const limit = isFree ? resources.maxCandidates : resources.strangerDials
    const chosen = fresh.filter(({ dial }) => dial.skip === undefined).slice(0, limit)
    const candidates = await Promise.all(chosen.map(({ dial }, index) => toCandidate(dial, `${input.strategy}-${first + index + 1}`, input, own)))
    const nowMs = resources.clock.now()
    const skipped = fresh
      .filter(entry => !chosen.includes(entry))
      .map(({ dial, index }) => toSkipped(dial, `${input.strategy}-skipped-${index + 1}`, input, nowMs))
    return { candidates, skipped, keys: chosen.map(({ key }) => key) }
  })
  return { planCandidates }
}

const hostsOf = ({ endpoints }: PlanInput): readonly string[] =>
  (endpoints?.interfaces ?? []).flatMap(({ local, external }) => [local?.host, external?.host]).filter(host => host !== undefined)

const keyOf = ({ remote, bind }: PlannedDial): string => `${bind ?? '*'} ${formatEndpoint(remote)}`

async function toCandidate({ remote, family, scope, bind }: PlannedDial, id: string, { strategy }: PlanInput, own: readonly OwnAddress[]): Promise<Candidate> {
  const local = bind ?? sameAddress(remote.host, own) ?? (await sourceFor(remote, family)) ?? ''
  return { id, strategy, scope, family, local, remote: formatEndpoint(remote), ...(bind !== undefined && { bind }) }
}

/** Loopback and our own addresses answer from themselves. */
const sameAddress = (host: string, own: readonly OwnAddress[]): string | undefined =>
  host === '127.0.0.1' || host === '::1' || own.some(({ address }) => address === host) ? host : undefined

function toSkipped({ remote, family, scope, skip }: PlannedDial, id: string, { strategy }: PlanInput, nowMs: number): CandidateRecord {
  const code = skip ?? 'ERR_BUDGET'
  return {
    id, strategy, scope, family, local: '', remote: formatEndpoint(remote), status: 'skipped', startedAtMs: nowMs, updatedAtMs: nowMs,
    error: { code, message: skip === undefined ? 'more candidates than this peer may cost' : 'left out by the safety rules or for want of a route' },
  }
}
