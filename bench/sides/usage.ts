import { setTimeout as pause } from 'node:timers/promises'

/** Resident memory after all garbage is collected, bytes. Twice, since finalisers free more. */
export async function settledMemory(): Promise<number> {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('start it with --expose-gc')
  for (let round = 0; round < 3; round++) {
    gc()
    await pause(100)
  }
  return process.memoryUsage.rss()
}

/** Processor time of this process so far, ms. Unlike wall time it does not depend on what else the machine does. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
