import type { ActorRefLike, InspectionEvent } from 'xstate'
import type { AttemptContext } from '../../machines/attempt/attempt.types.js'
import type { CandidateRecord } from '../../machines/shared/candidate.types.js'

/** One step of a machine of an attempt. */
export interface Step {
  /** Milliseconds of the epoch. */
  readonly atMs: number
  readonly machine: string
  readonly event: string
  readonly state: string
}

/** What a node's machines did in one attempt. Times of candidates are those of the epoch. */
export interface Told {
  readonly steps: readonly Step[]
  readonly candidates: readonly CandidateRecord[]
}

const maxActors = 4_096
const maxSteps = 2_000

/** Listens to the machines of a node (`inspect`): what they did, attempt by attempt; keeps the latest actors only. */
export function createWatch(): { readonly inspect: (event: InspectionEvent) => void; readonly told: (attempt: string) => Told } {
  const steps = new Map<ActorRefLike, Step[]>()
  const attempts = new Map<ActorRefLike, AttemptContext>()
  return {
    inspect(event) {
      if (event.type !== '@xstate.snapshot') return
      const machine = machineOf(event.actorRef)
      if (machine === undefined) return
      const { value, context } = event.snapshot as { readonly value?: unknown; readonly context?: unknown }
      const mine = steps.get(event.actorRef) ?? remember(steps, event.actorRef, [])
      if (mine.length < maxSteps) mine.push({ atMs: performance.timeOrigin + performance.now(), machine, event: event.event.type, state: textOf(value) })
      if (machine === 'attempt') remember(attempts, event.actorRef, context as AttemptContext)
    },
    told(attempt) {
      const found = [...attempts].filter(([, { attemptId }]) => attemptId === attempt)
      const isPart = (actor: ActorRefLike): boolean => found.some(([root]) => ancestry(actor).includes(root))
      return {
        steps: [...steps].filter(([actor]) => isPart(actor)).flatMap(([, mine]) => mine).sort((one, other) => one.atMs - other.atMs),
        candidates: found.flatMap(([, { candidates }]) => Object.values(candidates)).map(one => ({ ...one, startedAtMs: performance.timeOrigin + one.startedAtMs, updatedAtMs: performance.timeOrigin + one.updatedAtMs })),
      }
    },
  }
}

function remember<T>(map: Map<ActorRefLike, T>, actor: ActorRefLike, value: T): T {
  map.set(actor, value)
  const [oldest] = map.keys()
  if (map.size > maxActors && oldest !== undefined) map.delete(oldest)
  return value
}

const parentOf = (actor: ActorRefLike): ActorRefLike | undefined => (actor as { readonly _parent?: ActorRefLike })._parent

function ancestry(actor: ActorRefLike): readonly ActorRefLike[] {
  const above = parentOf(actor)
  return above === undefined ? [actor] : [actor, ...ancestry(above)]
}

/** Undefined for promises and callbacks. */
function machineOf(actor: ActorRefLike): string | undefined {
  const { logic } = actor as { readonly logic?: { readonly id?: unknown; readonly config?: unknown } }
  return typeof logic?.id === 'string' && logic.config !== undefined ? logic.id : undefined
}

/** `connecting(signalling: awaiting, election: idle)`. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value).map(([name, inner]) => (typeof inner === 'object' && Object.keys(inner as object).length === 0 ? name : `${name}(${textOf(inner)})`)).join(', ')
}
