import { ThroughlineError } from '../errors/index.js'
import type { Pipe } from '../node/types.js'
import type { CommandContext } from './context.js'
import { usageError } from './failure.js'
import { forwardProtocol } from './host-port.js'
import type { Settings } from './settings.js'

/** What `listen` does with a pipe; resolves when both sides have ended it. */
export type Serve = (pipe: Pipe) => Promise<void>

/** What `listen` serves. */
export interface ListenMode {
  /** True when pipes get stdin and stdout: only the first does. */
  readonly isStdio: boolean
  /** By protocol. */
  readonly handlers: ReadonlyMap<string, Serve>
}

/** Whether stdout of `listen` carries a pipe. */
export const isStdioMode = ({ echo, exec, forward }: Settings): boolean => echo !== true && exec === undefined && forward === undefined

/** Reads the mode. Throws ERR_USAGE for two of them, ERR_ALLOW_REQUIRED where peers could act on this machine unasked. */
export function listenMode({ settings, stdin, stdout, output }: CommandContext): ListenMode {
  const { echo, exec, forward, allow, protocol = '' } = settings
  if (protocol.startsWith('tl/')) throw usageError('protocol names that begin with tl/ are reserved', 'ERR_PROTOCOL_NAME')
  const modes = [echo === true && '--echo', exec !== undefined && '--exec', forward !== undefined && '--forward'].filter(Boolean)
  if (modes.length > 1) throw usageError(`${modes.join(' and ')} exclude each other`)
  if (modes.length > 0 && echo !== true) {
    if (allow === undefined) throw new ThroughlineError('ERR_ALLOW_REQUIRED', `${modes[0]} lets peers act on this machine, and nothing says which`)
    if (allow === 'any') output.warn(`everybody who can reach this node can use ${modes[0]}, because of --allow any`)
  }
  const single = (serve: Serve): ListenMode => ({ isStdio: false, handlers: new Map([[protocol, serve]]) })
  if (echo === true) return single(async pipe => (await import('./serve-echo.js')).serveEcho(pipe))
  if (exec !== undefined) return single(async pipe => (await import('./serve-exec.js')).serveExec(pipe, exec))
  if (forward !== undefined) {
    const serves = forward.map((target): [string, Serve] => [forwardProtocol(target), async pipe => (await import('./serve-target.js')).serveTarget(pipe, target)])
    // One target alone needs no name: `connect` and `forward PORT PEER` lead to it.
    return { isStdio: false, handlers: new Map(serves[1] === undefined ? [...serves, ...serves.map(([, serve]): [string, Serve] => [protocol, serve])] : serves) }
  }
  const serve: Serve = async pipe => (await import('./join.js')).join(pipe, { source: stdin, sink: stdout, endSink: false })
  return { isStdio: true, handlers: new Map([[protocol, serve]]) }
}
