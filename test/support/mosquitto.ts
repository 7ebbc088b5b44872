import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './free-port.js'
import type { Host } from './lab/index.js'
import type { Requirement } from './requirements.js'
import { makeTlsFiles } from './tls-files.js'

const program = '/usr/sbin/mosquitto'
const startLimitMs = 10_000
const stopLimitMs = 2_000
const logLimitMs = 15_000

/** How the broker is set up; all optional. */
export interface MosquittoOptions {
  /** Serves mqtts with a certificate made for it. */
  readonly tls?: boolean
  /** Only user `tester` with this password may connect. */
  readonly password?: string
  /** Default: any free port. */
  readonly port?: number
  /** WebSockets instead of plain MQTT. */
  readonly webSockets?: boolean
  /** An address of 127/8 to listen on, so that brokers differ by host; default 127.0.0.1. */
  readonly host?: string
  /** A host of the lab to run on, at all its addresses, port 1883 unless told; default: this machine. */
  readonly on?: Pick<Host, 'ipv4' | 'spawn'>
}

/** A Mosquitto of this test; whoever started it closes it. */
export interface Mosquitto {
  /** Without credentials. */
  readonly url: string
  readonly port: number
  readonly pid: number
  /** The certificate authority, with `tls`. */
  readonly ca?: string
  /** Resolves when its log has a line that matches, past or future; rejects after 15 s. */
  logged(pattern: RegExp): Promise<void>
  /** Stops it without a word (SIGKILL); resolves when it is gone. */
  kill(): Promise<void>
  /** Stops it and removes its files. Idempotent. */
  close(): Promise<void>
}

/** For `describeIf`. */
export const mosquittoMissing: Requirement = existsSync(program) ? undefined : `${program} is not installed (apt-get install mosquitto)`

/** Starts a Mosquitto, on 127.0.0.1 unless told, with a configuration of its own; rejects when it does not listen within 10 s. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), 'throughline-mosquitto-'))
  try {
    return await start(folder, options)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function start(folder: string, { tls = false, password, port: wanted, webSockets = false, host = '127.0.0.1', on }: MosquittoOptions): Promise<Mosquitto> {
  // started as root it becomes user mosquitto, who must be able to use the folder
  await chmod(folder, 0o777)
  const port = wanted ?? (on === undefined ? await freePort() : 1883)
  const files = tls ? await makeTlsFiles(folder) : undefined
  if (files !== undefined) await chmod(files.keyFile, 0o644)
  const lines = [
    // 2.0.11 takes an interface, not an address, for WebSockets, and ends when it has no other listener
    ...(webSockets ? [`listener 0 ${join(folder, 'unused.sock')}`, `listener ${port} lo`, 'protocol websockets'] : [on === undefined ? `listener ${port} ${host}` : `listener ${port}`]),
    'set_tcp_nodelay true',
    'persistence false',
    'log_dest stderr',
    'log_type all',
    ...(files === undefined ? [] : [`certfile ${files.certFile}`, `keyfile ${files.keyFile}`]),
    ...(password === undefined ? ['allow_anonymous true'] : ['allow_anonymous false', `password_file ${await passwordFile(folder, password)}`]),
  ]
  const configuration = join(folder, 'mosquitto.conf')
  await writeFile(configuration, `${lines.join('\n')}\n`)
  const child = (on?.spawn ?? spawn)(program, ['-c', configuration], { stdio: ['ignore', 'ignore', 'pipe'] })
  const log: string[] = []
  child.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text))
  try {
    await running(child, log)
  } catch (error) {
    await end(child, 'SIGKILL')
    throw new Error(`mosquitto did not start: ${log.join('')}`, { cause: error })
  }
  const scheme = `${webSockets ? 'ws' : 'mqtt'}${tls ? 's' : ''}`
  return {
    url: `${scheme}://${on?.ipv4 ?? host}:${port}`,
    port,
    pid: child.pid ?? 0,
    ...(files !== undefined && { ca: files.cert }),
    logged: pattern => logged(child, log, pattern),
    kill: () => end(child, 'SIGKILL'),
    async close() {
      await end(child, 'SIGTERM')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function passwordFile(folder: string, password: string): Promise<string> {
  const file = join(folder, 'passwords')
  await promisify(execFile)('mosquitto_passwd', ['-b', '-c', file, 'tester', password])
  await chmod(file, 0o644)
  return file
}

/** Resolves when the broker says that it is running; its ports are open then. */
function running(child: ChildProcess, log: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`not running after ${startLimitMs} ms`)), startLimitMs)
    child.once('exit', code => reject(new Error(`it exited with ${code}`)))
    child.once('error', reject)
    child.stderr?.on('data', () => {
      if (!log.join('').includes(' running')) return
      clearTimeout(limit)
      resolve()
    })
  })
}

function logged(child: ChildProcess, log: readonly string[], pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      clearTimeout(limit)
      child.stderr?.off('data', look)
      if (error === undefined) resolve()
      else reject(error)
    }
    const look = (): void => void (pattern.test(log.join('')) && settle())
    const limit = setTimeout(() => settle(new Error(`no ${String(pattern)} in the log of mosquitto after ${logLimitMs} ms: ${log.join('').slice(-2_000)}`)), logLimitMs)
    child.stderr?.on('data', look)
    look()
  })
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  await exited
  clearTimeout(timer)
}
