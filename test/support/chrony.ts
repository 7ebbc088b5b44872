import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { encodeSntpRequest } from '../../src/protocol/sntp.js'
import type { Requirement } from './requirements.js'

const program = '/usr/sbin/chronyd'
const startLimitMs = 10_000
const stopLimitMs = 2_000
const askEveryMs = 50

/** How the server is set up; all optional. */
export interface ChronyOptions {
  /** An address of 127/8 to answer at; default 127.0.0.1. */
  readonly host?: string
  /** 1 to 15, default 8. */
  readonly stratum?: number
}

/** A chronyd of this test, with the time of this machine; whoever started it closes it. */
export interface Chrony {
  /** `HOST:PORT`. */
  readonly server: string
  readonly port: number
  readonly pid: number
  /** Stops it and removes its files. Idempotent. */
  close(): Promise<void>
}

/** For `describeIf`. */
export const chronyMissing: Requirement = existsSync(program) ? undefined : `${program} is not installed (apt-get install chrony)`

/** Starts Debian's chronyd as a time server that leaves the system's clock alone; rejects when it does not answer within 10 s. */
export async function startChrony({ host = '127.0.0.1', stratum = 8 }: ChronyOptions = {}): Promise<Chrony> {
  const folder = await mkdtemp(join(tmpdir(), 'throughline-chrony-'))
  const port = await freeUdpPort(host)
  const lines = [`port ${port}`, `bindaddress ${host}`, `local stratum ${stratum}`, 'allow 127.0.0.0/8', 'cmdport 0', `pidfile ${join(folder, 'pid')}`]
  const configuration = join(folder, 'chrony.conf')
  await writeFile(configuration, `${lines.join('\n')}\n`)
  // -x: never sets the clock; -U: needs no root, and as root it must not become another user, who could not use the folder
  const child = spawn(program, ['-x', '-d', '-U', '-u', userInfo().username, '-f', configuration], { stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => log.push(text))
  const close = async () => {
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await answering(child, host, port)
  } catch (error) {
    await close()
    throw new Error(`chronyd did not start: ${log.join('')}`, { cause: error })
  }
  return { server: `${host}:${port}`, port, pid: child.pid ?? 0, close }
}

async function freeUdpPort(host: string): Promise<number> {
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Resolves with its first answer. */
function answering(child: ChildProcess, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    const settle = (error?: Error): void => {
      clearInterval(asking)
      clearTimeout(limit)
      socket.close()
      child.off('exit', onExit).off('error', settle)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onExit = (code: number | null): void => settle(new Error(`it exited with ${code}`))
    const asking = setInterval(() => socket.send(encodeSntpRequest(Buffer.alloc(8, 1)), port, host), askEveryMs)
    const limit = setTimeout(() => settle(new Error(`no answer in ${startLimitMs} ms`)), startLimitMs)
    child.once('exit', onExit).once('error', settle)
    socket.once('message', () => settle()).on('error', () => {})
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  await exited
  clearTimeout(timer)
}
