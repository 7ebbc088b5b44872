import { connect, type Socket } from 'node:net'
import { ThroughlineError } from '../errors/index.js'
import type { Pipe } from '../node/types.js'
import { formatHostPort, type HostPort } from './host-port.js'
import { joinSocket } from './join-socket.js'

/** The target is expected near by; the kernel alone would try for two minutes. */
const connectTimeoutMs = 10_000

/** Connects a pipe to a TCP target. When that fails the peer sees ERR_HANDLER_FAILED, and so does the caller. */
export async function serveTarget(pipe: Pipe, target: HostPort): Promise<void> {
  let socket: Socket
  try {
    socket = await open(pipe, target)
  } catch (cause) {
    if (!pipe.destroyed) pipe.abort('ERR_HANDLER_FAILED')
    throw new ThroughlineError('ERR_HANDLER_FAILED', `cannot connect to ${formatHostPort(target)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  await joinSocket(pipe, socket, 'ERR_HANDLER_FAILED')
}

function open(pipe: Pipe, { host, port }: HostPort): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, autoSelectFamily: true })
    const settle = (error?: Error) => {
      clearTimeout(timer)
      pipe.off('close', onClose)
      socket.off('connect', settle).off('error', settle)
      if (error === undefined) return resolve(socket)
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const onClose = () => settle(pipe.errored ?? new Error('the pipe closed meanwhile'))
    const timer = setTimeout(() => settle(new Error('no answer in time')), connectTimeoutMs)
    pipe.on('close', onClose)
    socket.on('connect', () => settle()).on('error', settle)
  })
}
