import { spawn, type ChildProcess } from 'node:child_process'
import type { Anchor } from './anchor.js'
import type { LabTools } from './availability.js'
import type { PlannedHost } from './model.js'
import type { Host, HostSpawnOptions, RunOptions, RunResult } from './types.js'

const maxOutputBytes = 16 << 20
const killTimeoutMs = 5_000

/** Starts and remembers the commands of one lab; `children` holds those alive. */
export interface Launcher {
  spawn(namespace: string, command: string, args: readonly string[], options: HostSpawnOptions): ChildProcess
  /** Starts no more, kills all that were started, and resolves when their ends are known, at most 5 s later. */
  killAll(): Promise<void>
}

export function createLauncher(tools: LabTools, anchor: Anchor): Launcher {
  let isClosed = false
  const children = new Set<ChildProcess>() // bounded by the processes alive
  return {
    spawn(namespace, command, args, options) {
      if (isClosed || anchor.hasEnded()) throw new Error(`the lab is closed: cannot run ${command}`)
      // Each of the programs replaces itself by the next, so the pid stays. The signal on the runner's death is set last: entering a user
      // namespace clears it.
      const child = spawn(
        tools.nsenter,
        [
          ...(tools.rootless ? [`--user=/proc/${anchor.pid}/ns/user`, '--preserve-credentials'] : []),
          `--net=/proc/${anchor.pid}/root/run/netns/${namespace}`,
          ...['--', tools.setpriv, '--pdeathsig', 'KILL', '--', command, ...args],
        ],
        { ...options, shell: false },
      )
      if (child.pid !== undefined) {
        children.add(child)
        child.once('exit', () => children.delete(child))
      }
      return child
    },
    async killAll() {
      isClosed = true
      let timer: NodeJS.Timeout | undefined
      const given = new Promise<void>(resolve => {
        timer = setTimeout(resolve, killTimeoutMs)
      })
      const ends = [...children].map(child => new Promise<void>(resolve => {
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      }))
      await Promise.race([Promise.all(ends), given])
      clearTimeout(timer)
    },
  }
}

export function createHost(planned: PlannedHost, launcher: Launcher): Host {
  const { name, namespace, ipv4, ipv6, externalIpv4 } = planned
  return {
    name,
    ipv4,
    ...(ipv6 === undefined ? {} : { ipv6 }),
    externalIpv4,
    namespace,
    spawn: (command, args = [], options = {}) => launcher.spawn(namespace, command, args, options),
    run: (command, args, options) => run(launcher, planned, command, args, options),
  }
}

async function run(launcher: Launcher, host: PlannedHost, command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { timeoutMs, input, ...spawnOptions } = options
  const child = launcher.spawn(host.namespace, command, args, { ...spawnOptions, stdio: 'pipe' })
  const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  const textOf = (name: 'stdout' | 'stderr'): string => Buffer.concat(chunks[name]).toString('utf8')
  let bytes = 0
  return await new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      // A grandchild may keep these open for longer.
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy()
      reject(new Error(`${command} on ${host.name} ${why}; stderr: ${textOf('stderr').slice(-2_000)}`))
    }
    const timer = setTimeout(() => fail(`took longer than ${timeoutMs} ms`), timeoutMs)
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.on('data', (chunk: Buffer) => {
        chunks[name].push(chunk)
        bytes += chunk.length
        if (bytes > maxOutputBytes) fail(`wrote more than ${maxOutputBytes} bytes`)
      })
    }
    child.once('error', error => fail(`did not start: ${error.message}`))
    child.once('close', code => {
      clearTimeout(timer)
      resolve({ code, stdout: textOf('stdout'), stderr: textOf('stderr') })
    })
    child.stdin?.on('error', () => {}) // it need not read its input
    child.stdin?.end(input)
  })
}
