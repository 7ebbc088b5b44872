import { ThroughlineError } from '../errors/index.js'
import type { Node, NodeOptions } from '../node/types.js'
import { nodeOptionsOf, type Settings } from './settings.js'

/** Makes a node: `createNode` of the library, or a fake. */
export type CreateNode = (options: NodeOptions) => Promise<Node>

/** Opens the nodes of one command and closes them, and the report, at its end. */
export interface NodeOpener {
  open(options?: NodeOptions): Promise<Node>
  /** Idempotent; also waits for nodes that are still opening. */
  close(): Promise<void>
}

const createNodeOfLibrary: CreateNode = async options => (await import('../index.js')).createNode(options)

/** Reads the settings into node options; `signal` stops a node that is being made, never one that is there. */
export function nodeOpener(settings: Settings, signal: AbortSignal, createNode: CreateNode = createNodeOfLibrary): NodeOpener {
  const opened: Promise<Node>[] = []
  let recorder: Promise<Recorder> | undefined
  const open = async (options: NodeOptions): Promise<Node> => {
    const starting = new AbortController()
    const onAbort = () => starting.abort(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    try {
      if (settings.report !== undefined) recorder ??= createRecorder(settings.report)
      const inspect = (await recorder)?.inspect
      return await createNode({ ...nodeOptionsOf(settings), ...options, signal: starting.signal, ...(inspect === undefined ? {} : { inspect }) })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
  return {
    open(options = {}) {
      const node = open(options)
      opened.push(node)
      return node
    },
    async close() {
      await Promise.allSettled(opened.map(async node => (await node).close()))
      // One that could not be made has told so when the node was opened.
      await (await recorder?.catch(() => undefined))?.close()
    },
  }
}

interface Recorder {
  readonly inspect: NonNullable<NodeOptions['inspect']>
  close(): Promise<void>
}

async function createRecorder(file: string): Promise<Recorder> {
  const { createRecorder: create } = await import('../observe/recorder.js')
  try {
    const recorder = create(file)
    return { inspect: event => recorder.inspect(event), close: () => recorder.close() }
  } catch (cause) {
    throw new ThroughlineError('ERR_USAGE', `--report: ${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
