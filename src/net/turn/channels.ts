import { defaults } from '../../config/defaults.js'
import { formatEndpoint, type Endpoint } from '../../protocol/endpoint.js'
import { attribute } from '../../protocol/stun/attribute.js'
import { ipFromBytes, ipToBytes } from '../../protocol/stun/ip-bytes.js'
import { xorPeerAddress } from '../../protocol/turn/addresses.js'
import { channelNumber, channelNumbers } from '../../protocol/turn/channel.js'
import { turnMethods } from '../../protocol/turn/methods.js'
import type { TurnQuestion, TurnRequests } from './requests.js'
import { relayError } from './turn-errors.js'
import type { TurnLimits } from './types.js'

/** Which peer has which channel: at most `turn.maxChannels`, for the life of an allocation. A number is never used for a second peer (RFC 8656 section 12.1). */
export class Channels {
  readonly #requests: TurnRequests
  readonly #name: string
  readonly #peers = new Map<number, Endpoint>()
  readonly #numbers = new Map<string, number>()
  /** Numbers of peers whose bind is confirmed, by peer. */
  readonly #bound = new Map<string, number>()

  constructor(requests: TurnRequests, name: string) {
    this.#requests = requests
    this.#name = name
  }

  /** Of a peer that has one. */
  numberOf(peer: Endpoint): number | undefined {
    return this.#bound.get(keyOf(peer))
  }

  peerOf(number: number): Endpoint | undefined {
    return this.#peers.get(number)
  }

  /** Rejects with ERR_RELAY_* or ERR_CANCELLED. */
  async bind(peer: Endpoint, limits: TurnLimits): Promise<void> {
    const key = keyOf(peer)
    if (this.#bound.has(key)) return
    const number = this.#numbers.get(key) ?? channelNumbers.first + this.#numbers.size
    if (this.#numbers.size >= defaults.turn.maxChannels && !this.#numbers.has(key)) throw relayError('ERR_RELAY_PEER', this.#name, `more than ${defaults.turn.maxChannels} channels`)
    this.#numbers.set(key, number)
    // what comes by it may overtake the answer
    this.#peers.set(number, peer)
    await this.#requests.ask(question(number, peer), limits)
    this.#bound.set(key, number)
  }

  /** Binds all of them again. One that is refused goes on as indications. */
  async refresh(limits: TurnLimits): Promise<void> {
    await Promise.all([...this.#bound].map(async ([key, number]) => {
      const peer = this.#peers.get(number)
      if (peer !== undefined) await this.#requests.ask(question(number, peer), limits).catch(() => this.#bound.delete(key))
    }))
  }
}

const question = (number: number, peer: Endpoint): TurnQuestion =>
  ({ method: turnMethods.channelBind, attributes: [attribute(channelNumber, number), attribute(xorPeerAddress, peer)], isAboutPeer: true })

const keyOf = ({ host, port }: Endpoint): string => formatEndpoint({ host: ipFromBytes(ipToBytes(host)), port })
