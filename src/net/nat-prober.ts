import { setTimeout as pause } from 'node:timers/promises'
import { assignPorts } from '../nat/enumeration/ports.js'
import type { Observation, ProbeBatch } from '../nat/enumeration/probes.js'
import { runProbes } from './nat-batch.js'
import { openTcpProbes } from './nat-probe-tcp.js'
import { openUdpProbes } from './nat-probe-udp.js'

/** A batch, and the address it is probed from. */
export interface ProbeRequest {
  readonly local: string
  readonly batch: ProbeBatch
  /** Uniform in [0, 1): chooses the local ports. */
  readonly random: () => number
}

/** Makes the probes of a batch; one observation for each. Every socket is gone, or on its way by FIN, when it settles. Rejects with the signal's reason. */
export async function probeBatch({ local, batch, random }: ProbeRequest, signal: AbortSignal): Promise<readonly Observation[]> {
  const waitMs = (batch.startsAtMs ?? 0) - performance.now()
  if (waitMs > 0) await pause(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted())
  const portOf = assignPorts(batch, random)
  const probes = batch.transport === 'udp' ? await openUdpProbes(batch, local, portOf) : openTcpProbes(batch, local, portOf)
  try {
    return await runProbes({ batch, local, prober: probes.prober, signal })
  } finally {
    // a server that does not end its side costs 2 s, which nobody waits for
    void probes.close()
  }
}
