import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { NatKindName } from './kinds.js'
import type { KernelNatSpec, NatSpec } from './nat-spec.js'

/** A number for both directions, or one for each, seen from the site. */
export type PerDirection = number | { readonly up: number; readonly down: number }

/** What a site's link to the internet does to packets. */
export interface LinkSpec {
  /** Added to each direction, so a round trip between two sites takes twice the sum of both. Default 0. */
  readonly uplinkDelayMs?: PerDirection
  /** Up to so much more, drawn evenly per packet; packets keep their order. Default 0. */
  readonly uplinkJitterMs?: PerDirection
  /** Share of packets lost, 0 to 1. Default 0. */
  readonly uplinkLoss?: PerDirection
}

export interface SiteSpec extends LinkSpec {
  /**
   * `none` (default): a host with a public address. Else behind a NAT: a kind by its name (kinds.ts; `masquerade` keeps the port where it
   * can, as home routers do; `random` gives each connection another random one), or one of one's own.
   */
  readonly nat?: 'none' | NatKindName | NatSpec | KernelNatSpec
  /** The carrier whose NAT this site's own is behind (CGNAT); without IPv6. */
  readonly behind?: string
  /** More hosts on the site's LAN, which needs a NAT or firewall. Each is `lab.sites.SITE.hosts.HOST`, and `HOST.SITE` on the command line. */
  readonly hosts?: readonly string[]
  /** Public addresses of a site without NAT; with 2 the host also has 192.0.2.n, for a STUN server of RFC 5780. Default 1. */
  readonly addresses?: 1 | 2
  /** Whether the site has a global IPv6 address. Default: whether this machine's kernel has IPv6. */
  readonly ipv6?: boolean
}

/** A provider that gives its customers addresses of 100.64/10 and translates once more. */
export interface CarrierSpec extends LinkSpec {
  readonly nat: NatKindName | NatSpec | KernelNatSpec
}

/** A host with several uplinks. */
export interface MultihomedSpec {
  /** Sites with a NAT or firewall, to whose LANs it is attached as eth0, eth1, …; the first has its default route. */
  readonly sites: readonly string[]
  /** `ip rule from ADDRESS` for each further uplink, without which its address is of no use. Default true. */
  readonly sourceRouting?: boolean
}

export interface LabSpec {
  /** By name: lower-case letters, digits and dashes; `internet` is taken. With carriers at most 124. */
  readonly sites: Readonly<Record<string, SiteSpec>>
  readonly carriers?: Readonly<Record<string, CarrierSpec>>
  readonly multihomed?: Readonly<Record<string, MultihomedSpec>>
  /** Of losses, jitter and user-space NATs (the kernel draws the ports of its own). Default: drawn, and printed. */
  readonly seed?: number
}

/** Options of `node:child_process` spawn, passed through whole: `env` replaces the environment, so give PATH along. */
export type HostSpawnOptions = Omit<SpawnOptions, 'shell'>

export interface RunOptions {
  /** The command is killed and `run` rejects when it takes longer. */
  readonly timeoutMs: number
  readonly input?: string | Uint8Array
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

export interface RunResult {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Host {
  readonly name: string
  /** The address of its own interface: public, or 10.x.0.y behind a NAT. Of several uplinks, the first. */
  readonly ipv4: string
  readonly ipv6?: string
  /** The address others see its IPv4 connections come from. */
  readonly externalIpv4: string
  /** The network namespace below /proc/ANCHOR/root/run/netns. */
  readonly namespace: string
  /**
   * Starts a command on this host. The child's pid is the command's own, so signals reach it; it is killed when the lab closes or the
   * runner dies. Network only: the files are those of this machine. An unknown command exits with 127.
   */
  spawn(command: string, args?: readonly string[], options?: HostSpawnOptions): ChildProcess
  /** Runs a command to its end and resolves whatever its exit code; rejects after `timeoutMs` or 16 MiB of output. */
  run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult>
}

export type Site = Host & {
  /** The second public address, with `addresses: 2`. */
  readonly secondIpv4?: string
  /** The further hosts of its LAN. */
  readonly hosts: Readonly<Record<string, Host>>
}

/** A host with several uplinks; its addresses in the order of its sites. */
export type MultihomedHost = Host & {
  readonly uplinks: readonly { readonly site: string; readonly interface: string; readonly ipv4: string; readonly ipv6?: string; readonly externalIpv4: string }[]
}

export interface Lab {
  readonly sites: Readonly<Record<string, Site>>
  readonly multihomed: Readonly<Record<string, MultihomedHost>>
  /** A public host of its own without delay, for brokers and servers. */
  readonly internet: Site
  /** Every host by its name on the command line. */
  readonly hosts: ReadonlyMap<string, Host>
  readonly seed: number
  /** The process all namespaces hang on; killing it ends the lab. */
  readonly anchorPid: number
  /** Kills every process of the lab and frees its namespaces. Idempotent, at most some seconds. Owned by who called `startLab`. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type LabAvailability = { readonly ok: true } | { readonly ok: false; readonly reason: string }
