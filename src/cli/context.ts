import type { Readable, Writable } from 'node:stream'
import type { Node, NodeOptions } from '../node/types.js'
import type { Output } from './output.js'
import type { Settings } from './settings.js'

/** What a command works with. */
export interface CommandContext {
  readonly settings: Settings
  /** PEER and the like: checked for number only. */
  readonly words: readonly string[]
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly output: Output
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP; 800 ms later the process ends in any case. */
  readonly signal: AbortSignal
  /** Makes a node from the settings and what is given here. Closed by the caller of the command. */
  openNode(options?: NodeOptions): Promise<Node>
}

/** A command: resolves to the exit code, or rejects with what went wrong. */
export type Command = (context: CommandContext) => Promise<number>
