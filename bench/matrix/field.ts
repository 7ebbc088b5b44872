import { createHash } from 'node:crypto'
import type { Dialled } from '../../test/lab/punch-node.process.js'
import { siteBehind, startStage, type NodeVariant, type Stage, type StageNode } from '../../test/lab/punch-stage.js'
import type { Told } from '../../test/lab/punch-watch.js'
import type { SiteSpec } from '../../test/support/lab/index.js'
import type { Kind } from './kinds.js'

/** One dial from a site of the first kind to a site of the second. */
export interface Job {
  readonly from: string
  readonly to: string
  /** Undefined: all, as people get. */
  readonly strategies: readonly string[] | undefined
  /** With firstBytes. */
  readonly early: boolean
}

/** How a dial went, and what both nodes did where it failed and they are watched. */
export interface Trial extends Job, Omit<Dialled, 'attempt' | 'startedAtMs'> {
  readonly told?: { readonly initiator: Told; readonly responder: Told; readonly startedAtMs: number }
}

/** Where a field differs from a quiet network of right clocks. */
export interface FieldOptions {
  readonly kinds: readonly Kind[]
  readonly site?: Partial<SiteSpec>
  /** Of the dialling sites. */
  readonly dialler?: NodeVariant
}

/** How it is to be measured. */
export interface Measuring {
  readonly runs: number
  readonly seed: number
  readonly strategies: readonly string[]
  /** Dials. */
  readonly atOnce: number
  /** Nodes tell what their machines do. */
  readonly isWatched: boolean
  /** Nodes run what is in src/, not what was built. */
  readonly isSource: boolean
  readonly onTrial: (trial: Trial) => void
}

/** Warm nodes behind NATs of some kinds, two of each: one that dials and one that is dialled, so that a kind meets itself. */
export interface Field {
  /** Never rejects: what goes wrong is the outcome. A site takes part in one dial at a time. */
  readonly dial: (job: Job) => Promise<Trial>
  /** So many at once. */
  readonly dialMany: (job: Job, count: number) => Promise<readonly Trial[]>
  readonly dialler: (kind: string) => StageNode
  readonly listener: (kind: string) => StageNode
  readonly startedMs: number
  close(): Promise<void>
}

/** Beyond the 10 s in which an attempt has to fail. */
export const dialLimitMs = 12_000

export const diallerSeat = (kind: string): string => `${kind}-a`
export const listenerSeat = (kind: string): string => `${kind}-b`

/** Builds the lab and starts all nodes, a few at a time; a node takes about a second. The caller closes it. */
export async function openField({ kinds, site = {}, dialler = {} }: FieldOptions, { seed, isWatched, isSource }: Pick<Measuring, 'seed' | 'isWatched' | 'isSource'>): Promise<Field> {
  const startedAtMs = performance.now()
  const seats = kinds.flatMap(({ name, nat }) => [diallerSeat(name), listenerSeat(name)].map(seat => [seat, siteBehind(nat, site)] as const))
  const stage = await startStage({ seed, sites: Object.fromEntries(seats) }, { isSource })
  try {
    const nodes = new Map(await Promise.all(seats.map(async ([seat]) => [seat, await start(seat)] as const)))
    return fieldOn(stage, nodes, { start, isWatched, startedMs: performance.now() - startedAtMs })
  } catch (error) {
    await stage.close()
    throw error
  }

  async function start(seat: string): Promise<StageNode> {
    const host = stage.lab.sites[seat]
    if (host === undefined) throw new Error(`the lab has no ${seat}`)
    const node = await stage.startNode(host, { isWatched, ...(seat.endsWith('-a') && dialler) })
    // a pair fails for that, and not for its NATs
    const { interfaces } = await node.network()
    for (const { local, tcp } of interfaces) if (tcp.mapping === 'unknown' || tcp.filtering === 'unknown') process.stderr.write(`${seat}: of ${local} it knows mapping ${tcp.mapping}, filtering ${tcp.filtering} when it calls itself settled\n`)
    return node
  }
}

interface Opened {
  readonly start: (seat: string) => Promise<StageNode>
  readonly isWatched: boolean
  readonly startedMs: number
}

function fieldOn(stage: Stage, nodes: Map<string, StageNode>, { start, isWatched, startedMs }: Opened): Field {
  const at = (seat: string): StageNode => {
    const node = nodes.get(seat)
    if (node === undefined) throw new Error(`there is no node at ${seat}`)
    return node
  }
  /** A process that ended is a finding, told with the trial, and no reason to lose the rest. */
  const alive = async (seat: string): Promise<StageNode> => {
    if (at(seat).hasEnded()) nodes.set(seat, await start(seat))
    return at(seat)
  }
  const dialMany = async (job: Job, count: number): Promise<readonly Trial[]> => {
    const startedAtMs = performance.now()
    try {
      const [dialler, listener] = await Promise.all([alive(diallerSeat(job.from)), alive(listenerSeat(job.to))])
      const { strategies, early } = job
      const dials = await dialler.dialMany({ address: await listener.address(), strategies, early, timeoutMs: dialLimitMs, count })
      const trials: Trial[] = []
      for (const { attempt, startedAtMs: dialledAtMs, ...dialled } of dials) {
        const isTold = isWatched && dialled.path === undefined
        trials.push({ ...job, ...dialled, ...(isTold && { told: { initiator: await dialler.told(attempt), responder: await listener.told(attempt), startedAtMs: dialledAtMs } }) })
      }
      return trials
    } catch (error) {
      return Array.from({ length: count }, () => ({ ...job, elapsedMs: performance.now() - startedAtMs, error: { code: 'process', message: String(error) } }))
    }
  }
  return {
    dialMany,
    dial: async job => (await dialMany(job, 1))[0] as Trial,
    dialler: kind => at(diallerSeat(kind)),
    listener: kind => at(listenerSeat(kind)),
    startedMs,
    close: () => stage.close(),
  }
}

/** Does all jobs in an order of the seed's, so many at once, each site in one of them at a time; calls back with each trial. */
export async function runJobs(field: Field, jobs: readonly Job[], { atOnce, seed, onTrial }: Pick<Measuring, 'atOnce' | 'seed' | 'onTrial'>): Promise<void> {
  const left = shuffled(jobs, seed)
  const busy = new Set<string>()
  const running = new Set<Promise<void>>()
  const seatsOf = ({ from, to }: Job): readonly string[] => [diallerSeat(from), listenerSeat(to)]
  const run = async (job: Job): Promise<void> => {
    for (const seat of seatsOf(job)) busy.add(seat)
    onTrial(await field.dial(job))
    for (const seat of seatsOf(job)) busy.delete(seat)
  }
  while (left.length + running.size > 0) {
    const next = running.size < atOnce ? left.findIndex(job => !seatsOf(job).some(seat => busy.has(seat))) : -1
    const [job] = next === -1 ? [] : left.splice(next, 1)
    if (job === undefined) await Promise.race(running)
    else {
      const ended: Promise<void> = run(job).finally(() => running.delete(ended))
      running.add(ended)
    }
  }
}

/** Else the second form of a pair would always follow right after the first, with what that has left behind. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const keys = items.map((item, index) => ({ item, key: createHash('sha256').update(`${seed} ${index}`).digest('hex') }))
  return keys.sort((one, other) => one.key.localeCompare(other.key)).map(({ item }) => item)
}
