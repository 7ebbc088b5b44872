import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LabTools } from './availability.js'
import { readyWord, type Plan } from './topology.js'

/** The process that owns a lab: its namespaces live as long as it does. */
export interface Anchor {
  readonly pid: number
  /** Settles once the anchor and everything in its namespaces is gone, however it came to its end. */
  readonly ended: Promise<void>
  readonly hasEnded: () => boolean
  /** Resolves when all is gone. Idempotent. */
  stop(): Promise<void>
}

const startTimeoutMs = 20_000
const stopTimeoutMs = 5_000
const maxStderrChars = 16_384

// The shell reads its commands from a pipe whose other end only the runner holds. However the runner dies, the shell meets the end of the
// file, sweeps and leaves. `ip netns pids` lists every process in a namespace: also the orphans of a killed parent.
// A /run of its own comes before anything else: without it the sweep would meet this machine's own namespaces.
const prelude = `
set -e
mount -t tmpfs -o mode=755 tmpfs /run
sweep() {
  for round in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(for namespace in /run/netns/*; do ip netns pids "\${namespace##*/}" </dev/null; done)
    if [ -z "$pids" ]; then break; fi
    kill -9 $pids
  done 2>/dev/null
  wait # for the helpers, the shell's own children
}
trap sweep EXIT
trap 'exit 143' HUP INT TERM
`
const builtWord = 'built'
const epilogue = `
echo ${builtWord}
# A line is a request to end; the end of the file means that the runner died, perhaps with a command on its way in: let that arrive first.
# (Only a read can be interrupted by a trapped signal; the shell's own wait for its next command is not.)
read -r request || sleep 0.1
exit 0
`

/** Builds the lab; rejects with the commands' own words when one of them fails. The caller owns the anchor. */
export async function startAnchor(tools: LabTools, plan: Plan): Promise<Anchor> {
  const child = spawn(tools.unshare, [...tools.unshareFlags, tools.sh, '-s'], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PATH: tools.path } })
  // Its helpers hold its stdout too: closed means they are gone as well.
  const closed = once(child, 'close')
  const ended = closed.then(() => {}, () => {})
  let hasEnded = false
  let namespaces: readonly number[] = []
  child.once('exit', () => {
    hasEnded = true
    // When it was killed it could not sweep.
    killInside(namespaces)
    for (const file of namespaces) closeSync(file)
    namespaces = []
  })
  let stderr = ''
  let isBuilt = false
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-maxStderrChars)
    if (isBuilt) process.stderr.write(`lab: ${text}`)
  })
  child.stdin.on('error', () => {}) // it ended before it read all: told by its exit
  const ready = new Promise<void>((resolve, reject) => {
    let awaited = plan.helpers + 1
    createInterface(child.stdout).on('line', line => {
      if (line === builtWord && !hasEnded) namespaces = openNamespaces(child.pid as number)
      else if (line !== readyWord) return
      awaited -= 1
      if (awaited === 0) resolve()
    })
    closed.then(([code, signal]) => reject(new Error(`building the lab failed (${code ?? signal}): ${stderr.trim()}`)), reject)
  })
  const kill = (): void => {
    child.kill('SIGKILL')
    // 'close' must not wait for whoever else holds these.
    child.stdout.destroy()
    child.stderr.destroy()
  }
  const stop = async (): Promise<void> => {
    if (!child.stdin.writableEnded) child.stdin.end('end\n')
    await within(stopTimeoutMs, ended, kill)
  }
  child.stdin.write(`${prelude}${plan.script}${epilogue}`)
  await within(startTimeoutMs, ready, kill)
  isBuilt = true
  return { pid: child.pid as number, ended, hasEnded: () => hasEnded, stop }
}

/** Opens the lab's namespaces: the kernel gives the number of one that is gone to the next, perhaps another lab's, but not while it is open. */
function openNamespaces(anchorPid: number): number[] {
  const folder = `/proc/${anchorPid}/root/run/netns`
  try {
    return readdirSync(folder).map(name => openSync(join(folder, name), 'r'))
  } catch {
    return [] // the anchor was killed just now, before it could run anything
  }
}

/** Kills what still runs in these network namespaces, forks that race it included. */
function killInside(namespaces: readonly number[]): void {
  const names = new Set(namespaces.map(file => `net:[${fstatSync(file).ino}]`))
  for (let round = 0; round < 5; round += 1) {
    let killed = 0
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue
      try {
        if (!names.has(readlinkSync(`/proc/${entry}/ns/net`))) continue
        process.kill(Number(entry), 'SIGKILL')
        killed += 1
      } catch {
        // gone meanwhile, a zombie, or another user's
      }
    }
    if (killed === 0) return
  }
}

async function within(ms: number, awaited: Promise<void>, otherwise: () => void): Promise<void> {
  const timer = setTimeout(otherwise, ms)
  try {
    await awaited
  } finally {
    clearTimeout(timer)
  }
}
