import { setTimeout as pause } from 'node:timers/promises'
import { defaults } from '../config/defaults.js'
import { ThroughlineError } from '../errors/index.js'
import { slotsOf } from '../nat/enumeration/ports.js'
import { slotKey, type FilteringObservation, type FilteringProbe, type HairpinObservation, type HairpinProbe, type MappingObservation, type MappingProbe, type PortSlot, type ProbeBatch } from '../nat/enumeration/probes.js'
import type { Endpoint } from '../protocol/endpoint.js'
import { encodeBindingRequest } from '../protocol/stun/binding-exchange.js'
import type { Change } from '../protocol/stun/change-request.js'
import { failureCode, probeLimits, type Prober } from './nat-batch.js'
import { randomTransaction } from './stun-binding.js'
import { openStunUdp, type StunUdpSocket } from './stun-udp-client.js'

/** The sockets of one batch over UDP. */
export interface UdpProbes {
  readonly prober: Prober
  close(): Promise<void>
}

/** Binds every port of the batch; ports that can't be had fail their probes only. The caller closes it. */
export async function openUdpProbes(batch: ProbeBatch, local: string, portOf: (slot: PortSlot) => number): Promise<UdpProbes> {
  const slots = new Map(batch.probes.flatMap(slotsOf).map(slot => [slotKey(slot), slot]))
  const sockets = new Map<string, StunUdpSocket | ThroughlineError>()
  for (const [key, slot] of slots) {
    sockets.set(key, await openStunUdp({ host: local, port: portOf(slot) }).catch((error: unknown) => new ThroughlineError(failureCode(error), 'the port could not be had')))
  }
  const socketAt = (slot: PortSlot): StunUdpSocket => {
    const socket = sockets.get(slotKey(slot))
    if (socket === undefined || socket instanceof ThroughlineError) throw socket ?? new ThroughlineError('ERR_INTERNAL', 'a port was not bound')
    return socket
  }

  const map = async (probe: MappingProbe, order: number, signal: AbortSignal): Promise<MappingObservation> => {
    const sentAtMs = performance.now()
    try {
      const binding = await socketAt(probe.slot).request({ server: probe.to, ...probeLimits(batch, signal) })
      return { ...probe, order, local: binding.local, mapped: binding.mapped, sentAtMs, rttMs: binding.rttMs, ...(binding.other !== undefined && { other: binding.other }) }
    } catch (error) {
      return { ...probe, order, failure: failureCode(error) }
    }
  }

  const filter = async (probe: FilteringProbe, signal: AbortSignal): Promise<FilteringObservation> => {
    try {
      const socket = socketAt(probe.slot)
      const { other } = await socket.request({ server: probe.to, ...probeLimits(batch, signal) })
      const change: Change = { address: probe.ask !== 'other-port', port: true }
      if (other === undefined) return { ...probe, outcome: 'unsupported' }
      const asker = probe.listen === undefined ? socket : socketAt(probe.listen)
      return { ...probe, outcome: await askTries(asker, probe, { ...change, other }, socket, signal) }
    } catch (error) {
      return { ...probe, outcome: failureCode(error) }
    }
  }

  /** A new request for each try: the client's own repetition comes too late. The first reply ends it. */
  const askTries = async (asker: StunUdpSocket, { to, tries, gapMs }: FilteringProbe, change: Change & { readonly other: Endpoint }, through: StunUdpSocket, signal: AbortSignal): Promise<FilteringObservation['outcome']> => {
    const outcomes = Array.from({ length: tries }, async (_, index): Promise<FilteringObservation['outcome']> => {
      try {
        await pause(index * gapMs, undefined, { signal })
        await asker.request({ server: to, change, through, ...probeLimits(batch, signal) })
        return 'arrived'
      } catch (error) {
        const code = failureCode(error)
        return code === 'ERR_STUN_REFUSED' || code === 'ERR_STUN_BAD_REPLY' ? 'unsupported' : 'nothing'
      }
    })
    const isFirst = outcomes.map(async one => {
      if ((await one) !== 'arrived') throw silence
    })
    const hasArrived = await Promise.any(isFirst).then(() => true, () => false)
    if (hasArrived) return 'arrived'
    return (await Promise.all(outcomes)).includes('unsupported') ? 'unsupported' : 'nothing'
  }

  const hairpin = async (probe: HairpinProbe, signal: AbortSignal): Promise<HairpinObservation> => {
    try {
      const [one, two] = probe.slots.map(socketAt) as [StunUdpSocket, StunUdpSocket]
      const limits = probeLimits(batch, signal)
      const [first, second] = await Promise.all([one.request({ server: probe.to, ...limits }), two.request({ server: probe.to, ...limits })])
      const transaction = randomTransaction()
      const heard = one.hears(transaction, { ...limits, timeoutMs: Math.max(limits.timeoutMs / 2, 1) })
      const knock = () => two.send(encodeBindingRequest(transaction), first.mapped)
      // a filter wants to have seen something go out
      one.send(encodeBindingRequest(randomTransaction()), second.mapped)
      knock()
      const again = setInterval(knock, defaults.natProbe.filterGapMs)
      try {
        return { ...probe, outcome: (await heard) ? 'arrived' : 'nothing' }
      } finally {
        clearInterval(again)
      }
    } catch (error) {
      return { ...probe, outcome: failureCode(error) }
    }
  }

  return {
    prober: (probe, order, signal) => (probe.kind === 'mapping' ? map(probe, order, signal) : probe.kind === 'filtering' ? filter(probe, signal) : hairpin(probe, signal)),
    close: async () => {
      await Promise.all([...sockets.values()].flatMap(socket => (socket instanceof ThroughlineError ? [] : [socket.close()])))
    },
  }
}

const silence = new Error('nothing arrived')
