import { fromPromise } from 'xstate'
import type { ErrorCode } from '../../src/errors/index.js'
import type { Clock } from '../../src/net/clock.js'
import { planDials, type OwnAddress, type PlannedDial } from '../../src/nat/dial-plan.js'
import { formatEndpoint } from '../../src/protocol/endpoint.js'
import type { Candidate, CandidateRecord } from '../shared/candidate.types.js'
import { promptly } from '../shared/promptly.js'
import type { Plan, PlanCandidatesLogic, PlanInput } from './dial.types.js'

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
  /** For all dials of one plan, from the first on. */
  readonly timeoutMs: number
}

/** Actors for the machines made by `createDialMachine`. */
export function createDialActors(resources: DialResources) {
  const plan = (input: PlanInput): Plan => {
    const isFree = input.role === 'initiator' || resources.isKnown(input.peerId)
    const own = resources.own()
    const planned = planDials({
      interfaces: input.endpoints?.interfaces ?? [], own, isSameMachine: input.endpoints?.isSameMachine ?? false, mayDialPrivate: isFree,
    })
    const limit = isFree ? resources.maxCandidates : resources.strangerDials
    const started = input.planned.filter(key => !key.startsWith(skipMark)).length
    const isNew = (key: string) => !input.planned.includes(key)
    const chosen = planned.filter(dial => dial.skip === undefined && isNew(keyOf(dial))).slice(0, Math.max(0, limit - started))
    const left = planned.filter(dial => !chosen.includes(dial) && isNew(keyOf(dial)) && isNew(skipKeyOf(dial)))
    // numbered through, so that a later plan never takes the id of an earlier candidate
    const idOf = (index: number) => `${input.strategy}-${input.planned.length + index + 1}`
    const nowMs = resources.clock.now()
    const deadlineAtMs = nowMs + resources.timeoutMs
    return {
      candidates: chosen.map((dial, index) => toCandidate(dial, idOf(index), input, deadlineAtMs)),
      skipped: left.map((dial, index) => toSkipped(dial, idOf(chosen.length + index), input, nowMs)),
      keys: [...chosen.map(keyOf), ...left.map(skipKeyOf)],
    }
  }
  const planCandidates: PlanCandidatesLogic = promptly(
    fromPromise(async ({ input, signal }) => {
      // an initiator that is on its way to us needs no dial from us; its OPEN ends this attempt
      await resources.awaitInbound(hostsOf(input), signal)
      return plan(input)
    }),
    input => (input.role === 'initiator' ? plan(input) : undefined),
  )
  return { planCandidates }
}

const hostsOf = ({ endpoints }: PlanInput): readonly string[] =>
  (endpoints?.interfaces ?? []).flatMap(({ local, external }) => [local?.host, external?.host]).filter(host => host !== undefined)

/** Begins the key of what was left out: it counts for no limit, and may be dialled when a later plan has no reason against it. */
const skipMark = 'ERR_'

const codeOf = ({ skip }: PlannedDial): ErrorCode => skip ?? 'ERR_BUDGET'
const keyOf = ({ remote, bind }: PlannedDial): string => `${bind ?? '*'} ${formatEndpoint(remote)}`
const skipKeyOf = (dial: PlannedDial): string => `${codeOf(dial)} ${keyOf(dial)}`

function toCandidate({ remote, family, scope, bind }: PlannedDial, id: string, { strategy }: PlanInput, deadlineAtMs: number): Candidate {
  return { id, strategy, scope, family, local: bind ?? '', remote: formatEndpoint(remote), deadlineAtMs, ...(bind !== undefined && { bind }) }
}

function toSkipped(dial: PlannedDial, id: string, { strategy }: PlanInput, nowMs: number): CandidateRecord {
  const { remote, family, scope, skip } = dial
  return {
    id, strategy, scope, family, local: '', remote: formatEndpoint(remote), status: 'skipped', startedAtMs: nowMs, updatedAtMs: nowMs,
    error: { code: codeOf(dial), message: skip === undefined ? 'more candidates than this peer may cost' : 'left out by the safety rules or for want of a route' },
  }
}
