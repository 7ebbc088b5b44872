import type { ChildProcess, SpawnOptions } from 'node:child_process'

export interface SiteSpec {
  /**
   * `none` (default): a host with a public address. `masquerade`: behind a router that keeps the port where it can, as home routers do.
   * `random`: behind a router that gives each connection another random port.
   */
  readonly nat?: 'none' | 'masquerade' | 'random'
  /** Added to each direction of the site's uplink, so a round trip between two sites takes twice the sum of both. Default 0. */
  readonly uplinkDelayMs?: number
  /** Share of packets lost in each direction of the uplink, 0 to 1, drawn from the lab's seed. Default 0. */
  readonly uplinkLoss?: number
  /** Whether the site has a global IPv6 address. Default: whether this machine's kernel has IPv6. */
  readonly ipv6?: boolean
}

export interface LabSpec {
  /** By name: lower-case letters, digits and dashes; at most 62, `internet` is taken. */
  readonly sites: Readonly<Record<string, SiteSpec>>
  /** Of the losses (the kernel draws the ports of a `random` NAT itself). Default: drawn, and printed. */
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
  /** The address of its own interface: public, or 10.x.0.2 behind a NAT. */
  readonly ipv4: string
  readonly ipv6?: string
  /**
   * Starts a command on this host. The child's pid is the command's own, so signals reach it; it is killed when the lab closes or the
   * runner dies. Network only: the files are those of this machine. An unknown command exits with 127.
   */
  spawn(command: string, args?: readonly string[], options?: HostSpawnOptions): ChildProcess
  /** Runs a command to its end and resolves whatever its exit code; rejects after `timeoutMs` or 16 MiB of output. */
  run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult>
}

export type Site = Host & {
  /** The address others see its IPv4 connections come from. */
  readonly externalIpv4: string
}

export interface Lab {
  readonly sites: Readonly<Record<string, Site>>
  /** A public host of its own without delay, for brokers and servers. */
  readonly internet: Host
  readonly seed: number
  /** The process all namespaces hang on; killing it ends the lab. */
  readonly anchorPid: number
  /** Kills every process of the lab and frees its namespaces. Idempotent, at most some seconds. Owned by who called `startLab`. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type LabAvailability = { readonly ok: true } | { readonly ok: false; readonly reason: string }
