import { createWriteStream } from 'node:fs'
import type { ActorRefLike, InspectionEvent } from 'xstate'

/** One line of a report: an event that an actor received, and the state that followed. */
export interface RecordedEvent {
  /** Number of the actor in this file. */
  readonly actor: number
  readonly parent: number | undefined
  /** Id of the machine; undefined for promises and callbacks. */
  readonly machine: string | undefined
  readonly event: unknown
  readonly state: unknown
}

/**
 * Writes what machines receive as JSON lines (`--report FILE`): enough to replay each to the same states. Events carry
 * resource ids, never sockets or keys. The caller closes it.
 */
export function createRecorder(file: string): { inspect(event: InspectionEvent): void; close(): Promise<void> } {
  const out = createWriteStream(file, { mode: 0o600 })
  out.on('error', () => {})
  const numbers = new Map<ActorRefLike, number>()
  const numberOf = (actor: ActorRefLike): number => {
    const known = numbers.get(actor)
    if (known !== undefined) return known
    numbers.set(actor, numbers.size + 1)
    return numbers.size
  }
  return {
    inspect(event) {
      if (event.type !== '@xstate.snapshot') return
      const machine = machineOf(event.actorRef)
      if (machine === undefined) return
      const { value } = event.snapshot as { value?: unknown }
      const parent = (event.actorRef as { _parent?: ActorRefLike })._parent
      const line: RecordedEvent = {
        actor: numberOf(event.actorRef), parent: parent === undefined ? undefined : numberOf(parent), machine, event: event.event, state: value,
      }
      out.write(`${JSON.stringify(line)}\n`)
      if ((event.snapshot as { status?: string }).status !== 'active') numbers.delete(event.actorRef)
    },
    close: () => new Promise(resolve => out.end(() => resolve())),
  }
}

const machineOf = (actor: ActorRefLike): string | undefined => {
  const { logic } = actor as { logic?: { id?: unknown; config?: unknown } }
  return typeof logic?.id === 'string' && logic.config !== undefined ? logic.id : undefined
}
