import { randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { createNode } from '../../../src/node/create-node.js'
import type { Node, NodeOptions, Pipe } from '../../../src/node/types.js'

/** A node without brokers on this machine, whose pipes do not wait for another path, closed at the end of the test. */
export async function startNode(options: NodeOptions = {}): Promise<Node> {
  const node = await createNode({ identity: { seed: randomBytes(32) }, mqtt: [], stun: [], ntp: [], suspendMs: 0, ...options })
  onTestFinished(() => node.close())
  return node
}

/** Two nodes and a pipe between them; `served` is the responder's end. */
export async function connectedPipes(): Promise<{ readonly dialler: Node; readonly listener: Node; readonly pipe: Pipe; readonly served: Pipe }> {
  const [dialler, listener] = await Promise.all([startNode(), startNode()])
  const serving = new Promise<Pipe>(resolve => void listener.handle('', resolve))
  const pipe = await dialler.connect(listener.address)
  const served = await serving
  onTestFinished(() => void pipe.destroy())
  onTestFinished(() => void served.destroy())
  return { dialler, listener, pipe, served }
}

/** The code of the error a pipe ends with; `clean` when it closes without one. */
export function endOf(pipe: Pipe): Promise<string> {
  const outcome = () => (pipe.errored === null ? 'clean' : ((pipe.errored as Error & { code?: string }).code ?? pipe.errored.message))
  if (pipe.closed) return Promise.resolve(outcome())
  return new Promise(resolve => pipe.once('close', () => resolve(outcome())))
}
