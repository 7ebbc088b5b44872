import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Requirement } from '../requirements.js'
import type { LabAvailability } from './types.js'

/** Absolute paths of the programs the lab runs, and how this user may make namespaces. */
export interface LabTools {
  readonly unshare: string
  readonly nsenter: string
  readonly setpriv: string
  readonly sh: string
  readonly python: string
  readonly unshareFlags: readonly string[]
  readonly rootless: boolean
  /** PATH with the folders where ip and nft live, which users often lack. */
  readonly path: string
}

const debianPackageOf = { unshare: 'util-linux', nsenter: 'util-linux', setpriv: 'util-linux', sh: 'dash', python3: 'python3', ip: 'iproute2', nft: 'nftables' }
const probeTimeoutMs = 10_000

/** What the lab will do, done once in small. Says on stderr which step it is at, so that the last line names what failed. */
const probeScript = `
set -e
echo 'a tmpfs on /run' >&2
mount -t tmpfs tmpfs /run
echo 'ip netns' >&2
ip netns add probe
echo 'a veth pair' >&2
ip link add probe0 type veth peer name probe1 netns probe
echo 'nftables masquerading' >&2
nft 'add table ip probe; add chain ip probe post { type nat hook postrouting priority srcnat; }; add rule ip probe post ct state established masquerade fully-random'
echo 'AF_PACKET' >&2
python3 -ISc 'import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sock.setsockopt(263, 15, 1)
sock.setsockopt(263, 23, 1)
print(sys.executable)'
`

let found: { readonly tools: LabTools } | { readonly reason: string } | undefined

/** Whether this machine and user can run the lab, tried once per process by making a namespace (about 0.1 s). */
export function labAvailable(): LabAvailability {
  found ??= findTools()
  return 'tools' in found ? { ok: true } : { ok: false, reason: found.reason }
}

/** The same in the form `describeIf` takes. */
export function labMissing(): Requirement {
  const availability = labAvailable()
  return availability.ok ? undefined : availability.reason
}

export function requireTools(): LabTools {
  found ??= findTools()
  if ('reason' in found) throw new Error(`the network lab cannot run here: ${found.reason}`)
  return found.tools
}

function findTools(): { tools: LabTools } | { reason: string } {
  if (process.platform !== 'linux') return { reason: `it needs Linux, this is ${process.platform}` }
  const path = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter)
  const located: Record<string, string> = {}
  for (const [name, debianPackage] of Object.entries(debianPackageOf)) {
    const file = locate(name, path)
    if (file === undefined) return { reason: `${name} is missing (Debian: ${debianPackage})` }
    located[name] = file
  }
  const { unshare = '', nsenter = '', setpriv = '', sh = '' } = located
  const asRoot = { unshareFlags: ['--net', '--mount'], rootless: false }
  const asUser = { unshareFlags: ['--user', '--map-root-user', '--net', '--mount'], rootless: true }
  const reasons: string[] = []
  // A root without CAP_SYS_ADMIN, as in many containers, may still be allowed a user namespace.
  for (const mode of process.getuid?.() === 0 ? [asRoot, asUser] : [asUser]) {
    const probe = spawnSync(unshare, [...mode.unshareFlags, sh, '-c', probeScript], { env: { ...process.env, PATH: path }, encoding: 'utf8', timeout: probeTimeoutMs, killSignal: 'SIGKILL' })
    if (probe.status === 0) return { tools: { unshare, nsenter, setpriv, sh, path, python: probe.stdout.trim(), ...mode } }
    reasons.push(`${mode.rootless ? 'in a user namespace' : 'as root'}: ${(probe.error?.message ?? probe.stderr).trim().split('\n').slice(-2).join(': ')}`)
  }
  return { reason: `namespaces are refused ${reasons.join('; ')}` }
}

function locate(name: string, path: string): string | undefined {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue
    const file = join(folder, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // not in this folder
    }
  }
  return undefined
}
