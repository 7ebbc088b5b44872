import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { freePort } from './free-port.js'
import type { Requirement } from './requirements.js'

const program = '/usr/bin/turnserver'
const startLimitMs = 10_000
const stopLimitMs = 2_000

/** How the server is set up; all optional. */
export interface CoturnOptions {
  /** Addresses of this machine to listen on; default 127.0.0.1 and 127.0.0.2, which make it a server of RFC 5780. */
  readonly hosts?: readonly string[]
  /** Further options of its command line. */
  readonly options?: readonly string[]
}

/** A coturn of this test, without TLS and credentials unless told; whoever started it closes it. */
export interface Coturn {
  readonly hosts: readonly string[]
  readonly port: number
  readonly alternatePort: number
  /** Stops it without a word (SIGKILL); resolves when it is gone. */
  kill(): Promise<void>
  /** Stops it and removes its files. Idempotent. */
  close(): Promise<void>
}

/** For `describeIf`. */
export const coturnMissing: Requirement = existsSync(program) ? undefined : `${program} is not installed (apt-get install coturn)`

/** Starts a coturn on two free ports; rejects when it does not listen within 10 s. */
export async function startCoturn({ hosts = ['127.0.0.1', '127.0.0.2'], options = [] }: CoturnOptions = {}): Promise<Coturn> {
  const folder = await mkdtemp(join(tmpdir(), 'throughline-coturn-'))
  // started as root it becomes user turnserver, who must be able to use the folder
  await chmod(folder, 0o777)
  const port = await freePort()
  const alternatePort = await freePort()
  const child = spawn(
    program,
    [
      '-n', '-v', '--no-cli', '--no-tls', '--no-dtls', '--no-auth', '--relay-threads=1', '--allow-loopback-peers',
      '--log-file=stdout', '--simple-log', `--userdb=${join(folder, 'users')}`, `--pidfile=${join(folder, 'pid')}`,
      `--listening-port=${port}`, `--alt-listening-port=${alternatePort}`, ...hosts.map(host => `--listening-ip=${host}`), ...options,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const close = async () => {
    await end(child, 'SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await running(child)
    await vi.waitFor(() => Promise.all(hosts.map(host => connects(host, port))), { timeout: startLimitMs, interval: 10 })
  } catch (error) {
    await close()
    throw error
  }
  return { hosts, port, alternatePort, kill: () => end(child, 'SIGKILL'), close }
}

/** Resolves when the log says that the server is set up; its threads open their TCP ports a moment later. */
function running(child: ChildProcess): Promise<void> {
  let log = ''
  return new Promise((resolve, reject) => {
    const settle = (why?: string): void => {
      clearTimeout(limit)
      // it must not be held up by a full pipe
      for (const stream of [child.stdout, child.stderr]) stream?.removeAllListeners('data').resume()
      if (why === undefined) resolve()
      else reject(new Error(`coturn did not start: ${why}; ${log.slice(-2_000)}`))
    }
    const limit = setTimeout(() => settle(`no word after ${startLimitMs} ms`), startLimitMs)
    child.once('exit', code => settle(`it exited with ${code}`))
    child.once('error', error => settle(error.message))
    const read = (text: string) => {
      log += text
      if (log.includes('Total General servers')) settle()
    }
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', read)
  })
}

async function connects(host: string, port: number): Promise<void> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
  } finally {
    socket.destroy()
  }
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  await exited
  clearTimeout(timer)
}
