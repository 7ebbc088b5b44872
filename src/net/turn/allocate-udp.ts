import { Subject, type Observable } from 'rxjs'
import { defaults } from '../../config/defaults.js'
import type { Failure } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import { attribute, readAttribute } from '../../protocol/stun/attribute.js'
import { encodeMessage, type StunMessage } from '../../protocol/stun/message.js'
import { xorPeerAddress } from '../../protocol/turn/addresses.js'
import { decodeChannelData, encodeChannelData } from '../../protocol/turn/channel.js'
import { data } from '../../protocol/turn/data.js'
import { turnMethods } from '../../protocol/turn/methods.js'
import { randomTransaction } from '../stun-binding.js'
import type { Allocation } from './allocation.js'
import { Channels } from './channels.js'
import { openAllocation } from './open-allocation.js'
import type { AllocationRequest, TurnLimits, TurnRealm } from './types.js'
import type { TurnDatagram, UdpAllocation } from './udp-types.js'

/** Asks for a UDP allocation, over UDP, TCP or TLS as the server is named. The caller owns it. Rejects with ERR_RELAY_*, ERR_NO_INTERFACE or ERR_CANCELLED. */
export const allocateUdp = async (request: AllocationRequest): Promise<UdpAllocation> => new TurnUdpAllocation(await openAllocation(request, 'udp'))

class TurnUdpAllocation implements UdpAllocation {
  readonly server: Endpoint
  readonly local: Endpoint
  readonly relayed: Endpoint
  readonly mapped: Endpoint
  readonly datagrams$: Observable<TurnDatagram>
  readonly closed: Promise<Failure | undefined>
  readonly #allocation: Allocation
  readonly #channels: Channels
  readonly #datagrams = new Subject<TurnDatagram>()

  constructor(allocation: Allocation) {
    const { link, name, relayed, mapped, closed, over, requests } = allocation
    this.server = link.server
    this.local = link.local
    this.relayed = relayed
    this.mapped = mapped
    this.closed = closed
    this.#allocation = allocation
    this.#channels = new Channels(requests, name)
    this.datagrams$ = this.#datagrams.asObservable()
    allocation.onIndication = message => this.#indicated(message)
    allocation.onChannelData = bytes => this.#arrived(bytes)
    allocation.onUpkeep = limits => void this.#channels.refresh(limits)
    over.addEventListener('abort', () => this.#datagrams.complete(), { once: true })
  }

  get realm(): TurnRealm {
    return this.#allocation.realm
  }

  get rttMs(): number {
    return this.#allocation.requests.rttMs
  }

  permit(hosts: readonly string[], limits: TurnLimits): Promise<void> {
    return this.#allocation.permissions.permit(hosts, limits)
  }

  bind(peer: Endpoint, limits: TurnLimits): Promise<void> {
    return this.#channels.bind(peer, limits)
  }

  send(peer: Endpoint, bytes: Uint8Array): boolean {
    const { link, over } = this.#allocation
    if (over.aborted || bytes.length > defaults.turn.maxDatagramBytes || link.unsentBytes > defaults.turn.maxUnsentBytes) return false
    const channel = this.#channels.numberOf(peer)
    link.send(channel === undefined ? sendIndication(peer, bytes) : encodeChannelData(channel, bytes, link.isStream))
    return true
  }

  close(): Promise<void> {
    return this.#allocation.close()
  }

  /** Anybody the server lets in can send, also before we hear that he is let in. */
  #indicated(message: StunMessage): boolean {
    const peer = message.method === turnMethods.data ? readAttribute(message, xorPeerAddress) : undefined
    const bytes = peer && readAttribute(message, data)
    if (peer === undefined || bytes === undefined) return false
    this.#datagrams.next({ peer, bytes })
    return true
  }

  #arrived(message: Buffer): void {
    const peer = this.#channels.peerOf(message.readUInt16BE())
    if (peer === undefined) return
    try {
      this.#datagrams.next({ peer, bytes: decodeChannelData(message).bytes })
    } catch {
      // over UDP it may be cut off: lost like any datagram
    }
  }
}

/** RFC 8656 section 11.1. */
const sendIndication = (peer: Endpoint, bytes: Uint8Array): Buffer =>
  encodeMessage({ class: 'indication', method: turnMethods.send, transaction: randomTransaction() }, [attribute(xorPeerAddress, peer), attribute(data, Buffer.from(bytes))], defaults.turn.maxMessageBytes)
