import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { ThroughlineError } from '../errors/index.js'
import type { Pipe } from '../node/types.js'

type Child = ChildProcessByStdio<Writable, Readable, null>

/**
 * Starts a command in a shell with the pipe as its stdin and stdout; its stderr is ours. The environment tells it
 * THROUGHLINE_PEER and THROUGHLINE_SESSION. Its end ends the pipe; the end of the pipe ends it and what it started.
 * A command that cannot be started or is killed makes the pipe fail with ERR_HANDLER_FAILED; an exit status does not, as
 * for a shell's pipeline: grep's 1 is an answer.
 */
export async function serveExec(pipe: Pipe, command: string): Promise<void> {
  const env = { ...process.env, THROUGHLINE_PEER: pipe.peer.id, THROUGHLINE_SESSION: pipe.session }
  // A group of its own, so that the whole of it can be ended.
  const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'], env, detached: process.platform !== 'win32' })
  const kill = () => killGroup(child)
  const onClose = () => {
    kill()
    // Its end is told only when its output is gone.
    child.stdout.destroy()
    child.stdin.destroy()
  }
  process.once('exit', kill)
  pipe.once('close', onClose)
  try {
    const ended = outcomeOf(child)
    feed(pipe, child)
    child.stdout.pipe(pipe, { end: false })
    const problem = await ended
    if (pipe.errored !== null) throw pipe.errored
    if (pipe.destroyed) return
    if (problem !== undefined) throw new ThroughlineError('ERR_HANDLER_FAILED', `the command ${problem}`)
    // Nobody is left to read what still comes.
    await pipe.close()
  } catch (error) {
    kill()
    if (!pipe.destroyed) pipe.abort('ERR_HANDLER_FAILED')
    throw error
  } finally {
    process.off('exit', kill)
    pipe.off('close', onClose)
  }
}

/** Passes the pipe on to the command; what it does not want to read is dropped, so that the peer can go on and end. */
function feed(pipe: Pipe, child: Child): void {
  child.stdin.on('error', () => {
    pipe.unpipe(child.stdin)
    pipe.resume()
  })
  pipe.pipe(child.stdin)
}

/** Resolves when the command has ended and its output is read: to what went wrong, if something did. */
function outcomeOf(child: Child): Promise<string | undefined> {
  return new Promise(resolve => {
    child.once('error', error => resolve(`could not be started: ${error.message}`))
    child.once('close', (status, signal) => {
      if (signal !== null) resolve(`was killed by ${signal}`)
      // What a shell says when it finds no such command, or may not run it.
      else resolve(status === 126 || status === 127 ? `could not be started: status ${status}` : undefined)
    })
  })
}

function killGroup(child: Child): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    if (process.platform === 'win32') child.kill()
    else process.kill(-child.pid, 'SIGTERM')
  } catch {
    // It ended meanwhile.
  }
}
