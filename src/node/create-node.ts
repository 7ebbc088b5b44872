import { ThroughlineError } from '../errors/index.js'
import { publicServers } from '../config/public-servers.js'
import { defaultIdentityPath, loadIdentity } from '../net/identity-file.js'
import { parseBrokerUrl } from '../protocol/broker-url.js'
import { identityFromSeed } from '../protocol/identity.js'
import { parseTurnUrl } from '../protocol/turn-url.js'
import { decodePeerId } from '../protocol/peer-id.js'
import { Handlers } from './handlers.js'
import { NodeCore } from './node-core.js'
import { ThroughlineNode } from './throughline-node.js'
import type { Node, NodeOptions } from './types.js'

/**
 * Makes a node: listening, and a broker up or 3 s passed; never later. Rejects with ERR_IDENTITY_*, ERR_PORT_IN_USE,
 * ERR_LISTEN, ERR_NO_INTERFACE, ERR_BROKER_URL, ERR_SERVER_URL (a TURN server), ERR_ADDRESS_INVALID (an id in `allow`) or ERR_CANCELLED. The caller
 * owns the node and closes it.
 */
export async function createNode(options: NodeOptions = {}): Promise<Node> {
  throwIfAborted(options.signal)
  const brokers = (options.mqtt ?? publicServers.mqtt).map(parseBrokerUrl)
  const turn = (options.turn ?? []).map(parseTurnUrl)
  if (Array.isArray(options.allow)) for (const id of options.allow) decodePeerId(id)
  const { identity: given = defaultIdentityPath() } = options
  const isFile = typeof given === 'string'
  const identity = isFile ? await loadIdentity(given) : identityFromSeed(given.seed)
  throwIfAborted(options.signal)
  const handlers = new Handlers()
  const core = new NodeCore({ identity, pathsFile: isFile ? `${given}.paths` : undefined, brokers, turn, options, handler: protocol => handlers.get(protocol) })
  const node = new ThroughlineNode(core, handlers, options)
  return abortable(node, options.signal)
}

/** A node whose making is cancelled is closed again. */
async function abortable(node: ThroughlineNode, signal: AbortSignal | undefined): Promise<Node> {
  const onAbort = () => void node.close()
  signal?.addEventListener('abort', onAbort)
  try {
    await node.start()
    throwIfAborted(signal)
    return node
  } catch (error) {
    await node.close()
    throwIfAborted(signal)
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new ThroughlineError('ERR_CANCELLED', 'making the node was cancelled', { cause: signal.reason })
}
