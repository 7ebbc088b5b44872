import { createWriteStream } from 'node:fs'
import type { ActorRefLike, InspectionEvent } from 'xstate'
import { asData } from './as-data.js'

/** One line of a report: an event that an actor received, and the state that followed. The first of an actor is `xstate.init`, with its input. */
export interface RecordedEvent {
  /** Number of the actor in this file. */
  readonly actor: number
  /** Number of the actor that started it. */
  readonly parent?: number
  /** Id of the machine. */
  readonly machine: string
  readonly event: { readonly type: string } & Readonly<Record<string, unknown>>
  readonly state: unknown
}

/** The last line of a report that was cut short: how many events it lacks. */
export interface RecordingCut {
  readonly dropped: number
}

/** Bounds of a recording, in bytes. */
export interface RecorderLimits {
  /** The file grows no further. An attempt takes about 20 kB; a listener that runs for months must not fill the disk. */
  readonly maxFileBytes?: number
  /** What waits in memory for a slow disk. */
  readonly maxPendingBytes?: number
}

const mib = 1_024 * 1_024

/**
 * Writes what machines receive as JSON lines (`--report FILE`): enough to replay each to the same states. Events carry
 * resource ids, never sockets, keys or bytes. Never throws once it is made: what cannot be written is counted as
 * dropped. The caller closes it.
 */
export function createRecorder(file: string, { maxFileBytes = 64 * mib, maxPendingBytes = 8 * mib }: RecorderLimits = {}): { inspect(event: InspectionEvent): void; close(): Promise<void> } {
  const out = createWriteStream(file, { mode: 0o600 })
  out.on('error', () => {})
  const numbers = new WeakMap<ActorRefLike, number>()
  let actors = 0
  let bytes = 0
  let dropped = 0
  const numberOf = (actor: ActorRefLike): number => {
    const number = numbers.get(actor) ?? ++actors
    numbers.set(actor, number)
    return number
  }
  const write = (line: string) => {
    // once cut it stays cut: a replay needs all events of an actor up to some moment
    if (dropped > 0 || bytes + line.length > maxFileBytes || out.writableLength > maxPendingBytes) return void (dropped += 1)
    bytes += Buffer.byteLength(line)
    out.write(line)
  }
  return {
    inspect(event) {
      if (event.type !== '@xstate.snapshot') return
      const machine = machineOf(event.actorRef)
      if (machine === undefined) return
      const { value } = event.snapshot as { readonly value?: unknown }
      const above = parentOf(event.actorRef)
      const parent = above === undefined ? {} : { parent: numberOf(above) }
      const line = { actor: numberOf(event.actorRef), ...parent, machine, event: asData(event.event), state: value }
      write(`${JSON.stringify(line)}\n`)
    },
    close: () =>
      new Promise(resolve => {
        if (dropped > 0) out.write(`${JSON.stringify({ dropped } satisfies RecordingCut)}\n`)
        out.once('close', resolve)
        out.end()
        if (out.closed) resolve()
      }),
  }
}

const parentOf = (actor: ActorRefLike): ActorRefLike | undefined => (actor as { readonly _parent?: ActorRefLike })._parent

/** Undefined for promises and callbacks: what they send is recorded where it arrives. */
const machineOf = (actor: ActorRefLike): string | undefined => {
  const { logic } = actor as { readonly logic?: { readonly id?: unknown; readonly config?: unknown } }
  return typeof logic?.id === 'string' && logic.config !== undefined ? logic.id : undefined
}
