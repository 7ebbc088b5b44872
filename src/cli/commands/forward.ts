import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { ThroughlineError } from '../../errors/index.js'
import type { Node } from '../../node/types.js'
import type { Command, CommandContext } from '../context.js'
import { dialPeer } from '../dial-peer.js'
import { exitOf, interruptedExit, usageError } from '../failure.js'
import { formatHostPort, forwardProtocol, parseHostPort, type HostPort } from '../host-port.js'
import { aborted } from '../interrupt.js'
import { joinSocket } from '../join-socket.js'
import { untilOver } from '../until-over.js'

const defaultBind = '127.0.0.1'
/** Local connections at once; more wait in the kernel's queue. */
const maxConnections = 1_024

/** `throughline forward [BIND:]PORT PEER [HOST:PORT]`: a pipe for each local connection. Ends by signal, or when PEER can never work. */
export const forward: Command = async context => {
  const [bindText = '', peer = '', targetText] = context.words
  const bind = parseBind(bindText)
  const protocol = targetText === undefined ? '' : forwardProtocol(parseTarget(targetText))
  const live = new Set<Promise<void>>()
  const server = createServer({ allowHalfOpen: true })
  server.maxConnections = maxConnections
  const opened = open(server, bind)
  const ready = opened.then(() => context.openNode({ inbound: false }))
  const hopeless = new Promise<never>((_, reject) => {
    server.on('connection', socket => {
      const served = serve(context, ready, peer, protocol, socket, reject).finally(() => live.delete(served))
      live.add(served)
    })
  })
  try {
    await ready
    const bound = formatHostPort(await opened)
    context.output.event('listening', { bind: bound })
    context.output.say(`listening on ${bound}; interrupt to leave`)
    await Promise.race([aborted(context.signal), hopeless])
    return interruptedExit
  } finally {
    server.close()
    await Promise.all(live)
  }
}

/** One local connection from accept to end; tells its failures, and reports those that no later connection can avoid. */
async function serve(context: CommandContext, ready: Promise<Node>, peer: string, protocol: string, socket: Socket, onHopeless: (error: unknown) => void): Promise<void> {
  socket.on('error', ignore)
  try {
    const { pipe, watch } = await dialPeer(context, await ready, peer, { protocol })
    await untilOver(context, watch, joinSocket(pipe, socket, 'ERR_PIPE_ABORTED'))
  } catch (error) {
    if (context.signal.aborted) return
    if (exitOf(error) === 2) onHopeless(error)
    else context.output.error(error)
  } finally {
    // After a clean end it is destroyed already; else the local program must not take this for one.
    if (!socket.destroyed) socket.resetAndDestroy()
  }
}

function parseBind(text: string): HostPort {
  const isPort = /^\d+$/.test(text)
  const bind = parseHostPort(isPort ? `${defaultBind}:${text}` : text, { anyPort: true })
  if (bind === undefined) throw usageError(`${JSON.stringify(text.slice(0, 80))} is not [BIND:]PORT, such as 8080 or [::1]:8080`)
  return bind
}

function parseTarget(text: string): HostPort {
  const target = parseHostPort(text)
  if (target === undefined) throw usageError(`${JSON.stringify(text.slice(0, 80))} is not HOST:PORT, such as localhost:80`)
  return target
}

/** Listens and resolves to what was bound. Rejects ERR_PORT_IN_USE or ERR_LISTEN. */
function open(server: Server, { host, port }: HostPort): Promise<HostPort> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'ERR_PORT_IN_USE' : 'ERR_LISTEN'
      reject(new ThroughlineError(code, `cannot listen on ${formatHostPort({ host, port })}: ${cause.message}`, { cause }))
    })
    server.listen({ host, port }, () => {
      const address = server.address() as AddressInfo
      resolve({ host: address.address, port: address.port })
    })
  })
}

const ignore = () => {}
