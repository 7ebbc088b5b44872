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
import type { TlsFiles } from './tls-files.js'

const program = '/usr/bin/turnserver'
const startLimitMs = 10_000
const stopLimitMs = 2_000
const maxLog = 1_024 ** 2

/** How the server is set up; all optional. */
export interface CoturnOptions {
  /** Addresses of this machine to listen on; default 127.0.0.1 and 127.0.0.2, which make it a server of RFC 5780. */
  readonly hosts?: readonly string[]
  /** Further options of its command line. */
  readonly options?: readonly string[]
  /** Who may relay: users with their passwords, or who holds credentials made with a secret; default: everybody. */
  readonly auth?: { readonly users: Readonly<Record<string, string>> } | { readonly secret: string }
  /** Serves TLS too. */
  readonly tls?: TlsFiles
}

/** A coturn of this test, without TLS and credentials unless told; whoever started it closes it. */
export interface Coturn {
  readonly hosts: readonly string[]
  readonly port: number
  readonly alternatePort: number
  /** Of TLS; 0 without. */
  readonly tlsPort: number
  /** What it has written since it runs; at most 1 MiB. */
  log(): string
  /** Stops it without a word (SIGKILL); resolves when it is gone. */
  kill(): Promise<void>
  /** Stops it and removes its files. Idempotent. */
  close(): Promise<void>
}

/** For `describeIf`. */
export const coturnMissing: Requirement = existsSync(program) ? undefined : `${program} is not installed (apt-get install coturn)`

/** Starts a coturn on two free ports; rejects when it does not listen within 10 s. */
export async function startCoturn({ hosts = ['127.0.0.1', '127.0.0.2'], options = [], auth, tls }: CoturnOptions = {}): Promise<Coturn> {
  const folder = await mkdtemp(join(tmpdir(), 'throughline-coturn-'))
  // started as root it becomes user turnserver, who must be able to use the folder
  await chmod(folder, 0o777)
  const port = await freePort()
  const alternatePort = await freePort()
  const tlsPort = tls === undefined ? 0 : await freePort()
  const child = spawn(
    program,
    [
      '-n', '-v', '--no-cli', '--no-dtls', '--relay-threads=1', ...authOptions(auth),
      ...(tls === undefined ? ['--no-tls'] : [`--tls-listening-port=${tlsPort}`, `--cert=${tls.certFile}`, `--pkey=${tls.keyFile}`]),
      '--allow-loopback-peers',
      '--log-file=stdout', '--simple-log', `--userdb=${join(folder, 'users')}`, `--pidfile=${join(folder, 'pid')}`,
      `--listening-port=${port}`, `--alt-listening-port=${alternatePort}`, ...hosts.map(host => `--listening-ip=${host}`), ...options,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const log = { text: '' }
  const close = async () => {
    await end(child, 'SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await running(child, log)
    await vi.waitFor(() => Promise.all(hosts.map(host => connects(host, port))), { timeout: startLimitMs, interval: 10 })
  } catch (error) {
    await close()
    throw error
  }
  return { hosts, port, alternatePort, tlsPort, log: () => log.text, kill: () => end(child, 'SIGKILL'), close }
}

function authOptions(auth: CoturnOptions['auth']): readonly string[] {
  if (auth === undefined) return ['--no-auth']
  if ('secret' in auth) return ['--realm=throughline.test', '--use-auth-secret', `--static-auth-secret=${auth.secret}`]
  return ['--realm=throughline.test', '--lt-cred-mech', ...Object.entries(auth.users).map(([user, password]) => `--user=${user}:${password}`)]
}

/** Resolves when the log says that the server is set up; its threads open their TCP ports a moment later. Reads it on, so that the server is not held up by a full pipe. */
function running(child: ChildProcess, log: { text: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (why?: string): void => {
      clearTimeout(limit)
      if (why === undefined) resolve()
      else reject(new Error(`coturn did not start: ${why}; ${log.text.slice(-2_000)}`))
    }
    const limit = setTimeout(() => settle(`no word after ${startLimitMs} ms`), startLimitMs)
    child.once('exit', code => settle(`it exited with ${code}`))
    child.once('error', error => settle(error.message))
    const read = (text: string) => {
      log.text = (log.text + text).slice(-maxLog)
      if (log.text.includes('Total General servers')) settle()
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
