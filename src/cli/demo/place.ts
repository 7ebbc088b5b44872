import { startBroker } from '../../net/embedded-broker.js'
import type { Role } from './messages.js'

/** Where the two nodes are, and what serves them there. Whoever opened it closes it; it also ends with this process. */
export interface Place {
  readonly title: string
  readonly text: string
  /** URL of the broker. */
  readonly broker: string
  /** STUN servers, as `createNode` takes them. */
  readonly stun: readonly string[]
  /** What is there besides the nodes, as name and text. */
  readonly facts: readonly (readonly [name: string, text: string])[]
  /** What goes before a command to run it on a node's host; empty = on this machine as it is. */
  readonly prefix: (role: Role) => readonly string[]
  /** Resolves when nothing of it is left. Idempotent, never rejects. */
  close(): Promise<void>
}

/** What a place is opened with. */
export interface PlaceOptions {
  /** Of this run alone; who outlives this process removes it. */
  readonly folder: string
  readonly signal: AbortSignal
}

/** Resolves to a place that is open. Rejects with the signal's reason. */
export type OpenPlace = (options: PlaceOptions) => Promise<Place>

/** On loopback, with a broker in this process. */
export const openLoopback: OpenPlace = async ({ signal }) => {
  const broker = await startBroker({ signal })
  return {
    title: 'Throughline', text: 'two nodes on this machine, each in a process of its own',
    broker: broker.url, stun: [], facts: [['broker', `${broker.url}, in this process`]],
    prefix: () => [], close: () => broker.close(),
  }
}
