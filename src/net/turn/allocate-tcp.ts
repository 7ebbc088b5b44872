import { Subject, type Observable } from 'rxjs'
import type { Failure } from '../../errors/index.js'
import type { Endpoint } from '../../protocol/endpoint.js'
import { attribute, readAttribute } from '../../protocol/stun/attribute.js'
import type { StunMessage } from '../../protocol/stun/message.js'
import { xorPeerAddress } from '../../protocol/turn/addresses.js'
import { turnMethods } from '../../protocol/turn/methods.js'
import { connectionId } from '../../protocol/turn/numbers.js'
import { formatTurnUrl } from '../../protocol/turn-url.js'
import type { Socket } from '../dial-socket.js'
import type { Allocation } from './allocation.js'
import { WaitingArrivals } from './arrivals.js'
import { countdown } from './countdown.js'
import { DataStreams } from './data-streams.js'
import { openAllocation } from './open-allocation.js'
import { relayError } from './turn-errors.js'
import type { AllocationRequest, TcpAllocation, TurnArrival, TurnLimits, TurnRealm } from './types.js'

/** Asks for a TCP allocation (RFC 6062). The caller owns it. Rejects with ERR_RELAY_* or ERR_CANCELLED; nothing is left then. */
export async function allocateTcp(request: AllocationRequest): Promise<TcpAllocation> {
  // RFC 6062 section 4.1: only over TCP or TLS
  if (request.server.transport !== 'tcp') throw relayError('ERR_RELAY_UNSUPPORTED', formatTurnUrl(request.server), 'it is named with transport=udp, which relays no TCP')
  return new TurnTcpAllocation(await openAllocation(request, 'tcp'), request)
}

class TurnTcpAllocation implements TcpAllocation {
  readonly server: Endpoint
  readonly local: Endpoint
  readonly relayed: Endpoint
  readonly mapped: Endpoint
  readonly arrivals$: Observable<TurnArrival>
  readonly closed: Promise<Failure | undefined>
  readonly #allocation: Allocation
  readonly #streams: DataStreams
  readonly #arrivals = new Subject<TurnArrival>()
  readonly #waiting = new WaitingArrivals((id, limits) => this.#streams.bind(id, limits))

  constructor(allocation: Allocation, { server, ca }: AllocationRequest) {
    const { link, relayed, mapped, closed, over, requests } = allocation
    this.server = link.server
    this.local = link.local
    this.relayed = relayed
    this.mapped = mapped
    this.closed = closed
    this.#allocation = allocation
    this.arrivals$ = this.#arrivals.asObservable()
    this.#streams = new DataStreams({
      endpoint: link.server, way: { server, localAddress: link.local.host, ...(ca !== undefined && { ca }) }, realm: () => requests.realm, over,
    })
    allocation.onIndication = message => this.#arrive(message)
    over.addEventListener('abort', () => this.#arrivals.complete(), { once: true })
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

  prepare(): void {
    this.#streams.prepare()
  }

  async connect(peer: Endpoint, limits: TurnLimits): Promise<Socket> {
    const left = countdown(limits)
    // its handshake runs beside the request
    this.#streams.prepare()
    const reply = await this.#allocation.requests.ask({ method: turnMethods.connect, attributes: [attribute(xorPeerAddress, peer)], isAboutPeer: true }, left())
    const id = readAttribute(reply, connectionId)
    if (id === undefined) throw relayError('ERR_RELAY_BAD_REPLY', this.#allocation.name, 'it names no connection')
    return this.#streams.bind(id, left())
  }

  close(): Promise<void> {
    return this.#allocation.close()
  }

  /** RFC 6062 section 4.4. What names no permitted peer was asked for by nobody. */
  #arrive(message: StunMessage): boolean {
    const peer = message.method === turnMethods.connectionAttempt ? readAttribute(message, xorPeerAddress) : undefined
    const id = peer && readAttribute(message, connectionId)
    if (peer === undefined || id === undefined || !this.#allocation.permissions.has(peer.host)) return false
    if (this.#arrivals.observed) this.#arrivals.next(this.#waiting.add(peer, id))
    return true
  }
}
