import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { labAvailable, startLab } from '../../test/support/lab/index.js'

/** Where the processes of a pair stand. Whoever opened it closes it. */
export interface Place {
  readonly name: string
  /** The address of the listener, for the references. */
  readonly listenerHost: string
  readonly brokerHost: string
  spawn(seat: 'broker' | 'listener' | 'dialler', args: readonly string[], options: SpawnOptions): ChildProcess
  close(): Promise<void>
}

/** Everything on 127.0.0.1. */
export const loopback = (): Place => ({
  name: 'loopback',
  listenerHost: '127.0.0.1',
  brokerHost: '127.0.0.1',
  spawn: (_seat, args, options) => spawn(process.execPath, args, options),
  close: async () => {},
})

/** Two public hosts in namespaces, `rttMs` apart, and a broker without delay; a reason where this machine has no lab. */
export async function distant(rttMs: number): Promise<Place | { readonly skipped: string }> {
  const availability = labAvailable()
  if (!availability.ok) return { skipped: availability.reason }
  const uplinkDelayMs = rttMs / 4
  const lab = await startLab({ sites: { listener: { uplinkDelayMs }, dialler: { uplinkDelayMs } } })
  const { listener, dialler } = lab.sites
  if (listener === undefined || dialler === undefined) throw new Error('the lab lacks a site')
  const seats = { broker: lab.internet, listener, dialler }
  return {
    name: `${rttMs} ms RTT`,
    listenerHost: listener.ipv4,
    brokerHost: lab.internet.ipv4,
    spawn: (seat, args, options) => seats[seat].spawn(process.execPath, args, options),
    close: () => lab.close(),
  }
}
