import { setImmediate as turn } from 'node:timers/promises'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import type { FilteringObservation, FilteringProbe, HairpinObservation, HairpinProbe, MappingObservation, MappingProbe, PortSlot, ProbeBatch } from '../nat/enumeration/probes.js'
import { isSameHost } from '../protocol/stun/ip-bytes.js'
import { bounded } from './bounded.js'
import { dialSocket, type Socket } from './dial-socket.js'
import { listen, type Listener } from './listener.js'
import { failureCode, probeLimits, type Prober } from './nat-batch.js'
import { askDialBack } from './stun-dial-back.js'
import { connectStunTcp, type StunTcpConnection } from './stun-tcp-client.js'

/** The connections of one batch over TCP. */
export interface TcpProbes {
  readonly prober: Prober
  /** Ends every connection by FIN. */
  close(): Promise<void>
}

/** Connections come up when their probes start, SYNs in the order of the batch; they stay until `close`. */
export function openTcpProbes(batch: ProbeBatch, local: string, portOf: (slot: PortSlot) => number): TcpProbes {
  /** Bounded by the probes of a batch. */
  const connections: StunTcpConnection[] = []

  const connect = async (slot: PortSlot, server: MappingProbe['to'], signal: AbortSignal): Promise<StunTcpConnection> => {
    const connection = await connectStunTcp({ server, local: { host: local, port: portOf(slot) }, ...probeLimits(batch, signal) })
    connections.push(connection)
    return connection
  }

  const map = async (probe: MappingProbe, order: number, signal: AbortSignal): Promise<MappingObservation> => {
    const startedAtMs = performance.now()
    try {
      const { binding } = await connect(probe.slot, probe.to, signal)
      const rttMs = performance.now() - startedAtMs
      return { ...probe, order, local: binding.local, mapped: binding.mapped, sentAtMs: startedAtMs, rttMs, ...(binding.other !== undefined && { other: binding.other }) }
    } catch (error) {
      return { ...probe, order, failure: failureCode(error) }
    }
  }

  const filter = async (probe: FilteringProbe, signal: AbortSignal): Promise<FilteringObservation> => {
    const startedAtMs = performance.now()
    try {
      const connection = await connect(probe.slot, probe.to, signal)
      const { timeoutMs } = probeLimits(batch, signal)
      const change = { address: probe.ask !== 'other-port', port: probe.ask !== 'other-address' }
      // patience must not look like silence: the limit of the batch is that of the answer
      const leftMs = Math.max(1, timeoutMs - (performance.now() - startedAtMs) - marginMs)
      const hasArrived = await askDialBack(connection, change, { timeoutMs: leftMs, signal, ...(probe.listen !== undefined && { port: portOf(probe.listen) }) })
      return { ...probe, outcome: hasArrived ? 'arrived' : 'nothing' }
    } catch (error) {
      const code = failureCode(error)
      return { ...probe, outcome: code === 'ERR_STUN_REFUSED' ? 'unsupported' : code }
    }
  }

  const hairpin = async (probe: HairpinProbe, signal: AbortSignal): Promise<HairpinObservation> => {
    const startedAtMs = performance.now()
    try {
      const [one, two] = await Promise.all(probe.slots.map(slot => connect(slot, probe.to, signal))) as [StunTcpConnection, StunTcpConnection]
      const leftMs = Math.max(1, probeLimits(batch, signal).timeoutMs - (performance.now() - startedAtMs) - marginMs)
      return { ...probe, outcome: (await reaches(one, two, { timeoutMs: leftMs, signal })) ? 'arrived' : 'nothing' }
    } catch (error) {
      return { ...probe, outcome: failureCode(error) }
    }
  }

  return {
    prober: (probe, order, signal) => (probe.kind === 'mapping' ? map(probe, order, signal) : probe.kind === 'filtering' ? filter(probe, signal) : hairpin(probe, signal)),
    close: async () => {
      await Promise.all(connections.map(connection => connection.close()))
    },
  }
}

const { marginMs } = defaults.natProbe

/**
 * Has each port dial the other one's mapping: first out of the port that then listens, since its filter wants to have seen something go out,
 * and a port that listens can't dial. The second dial comes in by the listener, or meets the first one on its way (simultaneous open).
 */
async function reaches(one: StunTcpConnection, two: StunTcpConnection, { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<boolean> {
  const silence = new ThroughlineError('ERR_STUN_TIMEOUT', 'nothing arrived')
  const startedAtMs = performance.now()
  const stop = new AbortController()
  const dials: Promise<Socket>[] = []
  const dial = (from: StunTcpConnection, to: StunTcpConnection) => {
    const dialled = dialSocket({ remote: to.binding.mapped, localAddress: from.local.host, localPort: from.local.port, timeoutMs, signal: stop.signal })
    dialled.catch(() => {})
    dials.push(dialled)
  }
  let listener: Listener | undefined
  let onArrival = () => {}
  try {
    dial(one, two)
    // by then its SYN has left
    await turn()
    listener = await listen({
      hosts: [one.local.host], port: one.local.port,
      onSocket: socket => {
        // strangers may come by a full cone; some NATs leave the internal address as it is
        if ([two.binding.mapped, two.local].some(({ host }) => isSameHost(socket.remoteAddress ?? '', host))) onArrival()
        socket.on('error', () => {}).destroy()
      },
    })
    dial(two, one)
    const leftMs = Math.max(1, timeoutMs - (performance.now() - startedAtMs))
    await bounded<void>({ signal, timeoutMs: leftMs, what: 'the wait for a hairpin', onTimeout: () => silence }, ({ resolve }) => {
      onArrival = resolve
      Promise.all(dials).then(() => resolve(), () => {})
      return () => {}
    })
    return true
  } catch (error) {
    if (error === silence) return false
    throw error
  } finally {
    stop.abort('over')
    for (const dialled of dials) dialled.then(socket => socket.on('error', () => {}).destroy(), () => {})
    await listener?.close()
  }
}
